"""Verifiers by name: what is refused, what identifies them, and a user's own function."""

from __future__ import annotations

import subprocess
import sys

import pytest

from verifiers.builtin import BUILT_IN
from verifiers.registry import BadVerifier, VerifierFailed, bind, defaults, distinct
from verifiers.verdict import BadReference, Reference, Row, Settings, Verdict

SETTINGS = Settings()


def verdicts(bound, *texts: str, **fields) -> list[Verdict]:
    return bound.verify([Row(Reference(**fields), text) for text in texts], SETTINGS)


@pytest.mark.parametrize(
    ("use", "options", "message"),
    [
        ("maths", {}, "did you mean 'math'"),
        ("math", {"tolerance": 1}, "unknown option 'tolerance'; it takes none"),
        ("length", {}, "verifier length: give min, max or both"),
        ("length", {"min": 5, "max": 2}, "verifier length: min 5 is larger than max 2"),
        ("length", {"max": "many"}, "max: .*integer"),
        ("length", {"unit": "lines", "max": 2}, "unit: .*'words'"),
        ("regex", {"pattern": "("}, "verifier regex: the pattern .* is not valid"),
        ("json-schema", {"schema": {"type": "objct"}}, "verifier json-schema: .*at \\$.type"),
        ("regex", {}, "pattern: "),
        ("code", {"seconds": "long"}, "seconds: "),
    ],
)
def test_unknown_verifiers_and_options_are_refused_with_what_is_valid(use, options, message):
    with pytest.raises(BadVerifier, match=message):
        bind(use, options)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"answer": "4"}, ["math"]),
        ({"answer": "B", "choices": "ABCD"}, ["choice"]),
        ({"constraints": "[]"}, ["instructions"]),
        ({"answer": "4", "constraints": "[]"}, ["math", "instructions"]),
        ({"tests": "[]"}, ["code"]),
        ({"schema": "{}"}, ["json-schema"]),
        ({}, []),
    ],
)
def test_by_default_the_fields_of_a_prompt_call_for_their_verifiers(fields, names):
    assert [bound.name for bound in defaults() if bound.applies(Reference(**fields))] == names


def test_when_and_domain_say_which_prompts_a_verifier_is_for():
    bound = bind("length", {"max": 5}, when=["answer"], domain="chat")
    assert bound.applies(Reference(answer="4"), "chat")
    assert not bound.applies(Reference(answer="4"), "math")
    assert not bound.applies(Reference(), "chat")


def test_an_option_can_stand_for_a_field():
    bound = bind("json-schema", {"schema": {"type": "array"}})
    assert bound.applies(Reference())
    assert [v.status for v in verdicts(bound, "[1]", "{}")] == ["correct", "incorrect"]
    bound = bind("choice", {"letters": "ABCDE"})
    assert bound.applies(Reference(answer="E"))
    assert verdicts(bound, "The answer is E.", answer="E")[0].status == "correct"


def test_every_built_in_verifier_judges_many_rows_in_order():
    asked = {
        "math": ("The answer is 1/2.", "The answer is 2."),
        "choice": ("The answer is 0.5.", "The answer is 2."),
        "instructions": ("no commas here", "a, b"),
        "code": ("def f(x): return 2", "def f(x): return 3"),
        "json-schema": ("[]", "{}"),
        "regex": ("yes", "no"),
        "length": ("one", "one two"),
    }
    fields = {
        "answer": "0.5",
        "choices": '["2", "0.5"]',
        "constraints": '[{"instruction_id": "punctuation:no_comma", "kwargs": {}}]',
        "tests": '["assert f(1) == 2"]',
        "schema": '{"type": "array"}',
    }
    options = {"regex": {"pattern": "yes"}, "length": {"max": 1}}
    assert set(asked) == set(BUILT_IN)
    for name, (right, wrong) in asked.items():
        rows = [Row(Reference(**fields), text) for text in (right, wrong, right)]
        found = bind(name, options.get(name)).verify(rows, Settings(allow_code_execution=True))
        assert [v.status for v in found] == ["correct", "incorrect", "correct"], name
        assert all(isinstance(v, Verdict) for v in found)


@pytest.mark.parametrize(
    ("use", "options"),
    [
        ("instructions", {}),
        ("regex", {"pattern": "cut"}),
        ("json-schema", {}),
        ("length", {"min": 1, "max": 99}),
    ],
)
def test_a_text_that_was_cut_off_has_not_answered_yet(use, options):
    reference = Reference(
        constraints='[{"instruction_id": "punctuation:no_comma", "kwargs": {}}]', schema='{"type": "array"}'
    )
    (verdict,) = bind(use, options).verify([Row(reference, "[1] was cut off in the mid", True)], SETTINGS)
    assert verdict.status == "no_answer"


def test_every_verdict_says_how_long_it_took():
    assert verdicts(bind("length", {"max": 1}), "one")[0].seconds > 0


def test_verifiers_of_one_name_are_numbered():
    twins = [bind("length", {"max": 1}), bind("regex", {"pattern": "a"}), bind("length", {"min": 1})]
    assert [one.name for one in distinct(twins)] == ["length 1", "regex", "length 2"]


@pytest.mark.parametrize(
    ("use", "fields"),
    [
        ("choice", {"answer": "Z", "choices": "ABCD"}),
        ("instructions", {"constraints": '[{"instruction_id": "no:such"}]'}),
        ("code", {"tests": "["}),
        ("json-schema", {"schema": '{"type": "objct"}'}),
        ("json-schema", {"schema": '{"items": {"$ref": "https://example.com/a.json#/b"}}'}),
    ],
)
def test_a_reference_that_cannot_be_read_is_found_before_anything_is_judged(use, fields):
    with pytest.raises(BadReference):
        bind(use).check(Reference(**fields), Settings(allow_code_execution=True))


def test_code_is_refused_before_anything_is_judged():
    with pytest.raises(PermissionError, match="allow_code_execution"):
        bind("code").check(Reference(tests='["assert True"]'), SETTINGS)


# ---- a user's own verifier

OWN = """
import numpy
def same(reference, text, options):
    return text.strip() == reference["answer"] + options.get("suffix", "")
def status(reference, text, options): return "no_answer"
def nothing(reference, text, options): return None
def broken(reference, text, options): return 1 / 0
def leaves(reference, text, options): raise SystemExit(3)
def array(reference, text, options): return numpy.bool_(text == "x")
def whole(reference, text, options): return not reference["truncated"]
def two(reference, text): return True
class Grader:
    def __init__(self, reference, text, options): pass
number = 5
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def test_a_users_function_judges_with_its_options(own):
    bound = bind(f"{own}:same", {"suffix": "!"}, when=["answer"])
    assert bound.name == "own.py:same"
    assert [v.status for v in verdicts(bound, "4!", "4", answer="4")] == ["correct", "incorrect"]
    assert verdicts(bind(f"{own}:status"), "x")[0].status == "no_answer"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sane", "did you mean 'same'"),
        ("number", "no function 'number'"),
        ("not-a-name", "FILE.py:FUNCTION"),
        ("two", r"two\(reference, text\) cannot be called with \(reference, text, options\)"),
        ("Grader", "Grader is a class"),
    ],
)
def test_a_function_that_is_not_there_is_named(own, name, message):
    with pytest.raises(BadVerifier, match=message):
        bind(f"{own}:{name}")


def test_a_file_that_is_not_there_or_does_not_import_is_named(tmp_path):
    with pytest.raises(BadVerifier, match="there is no file"):
        bind(f"{tmp_path}/none.py:same")
    (tmp_path / "bad.py").write_text("import no_such_module")
    with pytest.raises(BadVerifier, match="importing it failed: ModuleNotFoundError"):
        bind(f"{tmp_path}/bad.py:same")
    (tmp_path / "bad.py").write_text("import sys; sys.exit(1)")
    with pytest.raises(BadVerifier, match="importing it failed: SystemExit"):
        bind(f"{tmp_path}/bad.py:same")


def test_a_users_file_may_import_its_neighbours_and_define_dataclasses(tmp_path):
    (tmp_path / "neighbour_of_mine.py").write_text("GOOD = 'yes'")
    (tmp_path / "mine.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "from neighbour_of_mine import GOOD\n@dataclass\nclass Seen:\n    text: str\n"
        "def good(reference, text, options): return Seen(text).text == GOOD"
    )
    found = verdicts(bind(f"{tmp_path}/mine.py:good"), "yes", "no")
    assert [v.status for v in found] == ["correct", "incorrect"]
    assert str(tmp_path) not in sys.path


def test_a_users_function_may_answer_with_numpys_truth_and_is_told_of_truncation(own):
    assert [v.status for v in verdicts(bind(f"{own}:array"), "x", "y")] == ["correct", "incorrect"]
    rows = [Row(Reference(), "x", cut) for cut in (False, True)]
    assert [v.status for v in bind(f"{own}:whole").verify(rows, SETTINGS)] == ["correct", "incorrect"]


def test_what_a_users_function_returns_or_raises_is_never_taken_for_a_verdict(own):
    with pytest.raises(VerifierFailed, match="own.py:nothing returned None; it must return True, False"):
        verdicts(bind(f"{own}:nothing"), "x")
    with pytest.raises(VerifierFailed, match="own.py:broken raised ZeroDivisionError.*begins 'some text'"):
        verdicts(bind(f"{own}:broken"), "some text")


def test_a_users_function_cannot_end_the_process(own):
    with pytest.raises(VerifierFailed, match="own.py:leaves raised SystemExit: 3"):
        verdicts(bind(f"{own}:leaves"), "x")


def test_a_changed_file_is_another_verifier_and_a_moved_one_is_not(own, tmp_path):
    before = bind(f"{own}:same").identity
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "own.py").write_text(OWN)
    assert bind(f"{folder}/own.py:same").identity == before
    own.write_text(OWN.replace("text.strip()", "text"))
    assert bind(f"{own}:same").identity != before
    assert verdicts(bind(f"{own}:same"), " 4", answer="4")[0].status == "incorrect"  # the new code runs


def test_listing_the_verifiers_loads_nothing_heavy():
    code = (
        "import sys; from flows.__main__ import main; main(['verifiers'])\n"
        "heavy = {'polars', 'sympy', 'torch', 'pydantic', 'prefect', 'verifiers.math'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert all(f"\n{name}\n" in f"\n{done.stdout}" for name in BUILT_IN)


def test_instructions_are_listed_with_their_arguments(capsys):
    from flows.__main__ import main

    assert main(["verifiers", "instructions"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("punctuation:no_comma" in line for line in lines)
    assert any("keywords:existence" in line and "keywords" in line.split()[2:] for line in lines)
