"""The manifest knows which stages stand, says why others do not, and holds no secret."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.accounting import Account, AccountingError
from store.errors import InputError
from store.files import write_text
from store.manifest import Manifest, diff_settings, fingerprint

SETTINGS = {"n": 8, "sampling": {"temperature": 0.8, "stop": []}, "template": "Solve.\n" * 30}
INPUTS = {"prompts": "a1"}


def finished(run_dir) -> Manifest:
    manifest = Manifest.open(run_dir)
    manifest.start("sample", SETTINGS, INPUTS)
    write_text(run_dir / "tables/completions/shard-00000.parquet", "rows")
    account = Account("sample", 10, kept=9, rejected={"empty": 1})
    outputs = {"tables/completions/shard-00000.parquet": 9}
    manifest.finish(
        "sample", outputs, [account], seconds=1.5, calls_made=7, calls_cached=3, tokens={"new": 90}
    )
    return manifest


def test_a_finished_stage_is_current_also_after_opening_again(tmp_path):
    finished(tmp_path)
    manifest = Manifest.open(tmp_path)
    record = manifest.stage("sample")
    assert manifest.is_current("sample", fingerprint(SETTINGS, INPUTS, 1))
    assert manifest.stale_reasons("sample", SETTINGS, INPUTS) == []
    assert (record.calls_made, record.calls_cached, record.tokens, record.seconds) == (7, 3, {"new": 90}, 1.5)
    assert record.accounts == [{"stage": "sample", "in": 10, "out": 9, "rejected": {"empty": 1}}]
    assert record.outputs["tables/completions/shard-00000.parquet"].rows == 9
    assert record == finished(tmp_path / "other").stage("sample"), "a record depends on nothing but the work"


def test_opening_a_manifest_writes_nothing(tmp_path):
    manifest = Manifest.open(tmp_path / "run")
    assert manifest.stage("sample") is None
    assert not manifest.is_current("sample", "x")
    assert manifest.stale_reasons("sample", {}, {}) == ["not run yet"]
    assert not (tmp_path / "run").exists()


CHANGES = {
    "a setting": ({**SETTINGS, "n": 16}, INPUTS, 1, ["n 8 -> 16"]),
    "a long text": ({**SETTINGS, "template": "Other.\n" * 30}, INPUTS, 1, ["template changed"]),
    "an input": (SETTINGS, {"prompts": "b2"}, 1, ["input prompts changed"]),
    "one more input": (SETTINGS, {**INPUTS, "votes": "c"}, 1, ["input votes added"]),
    "the code": (SETTINGS, INPUTS, 2, ["sample is now version 2, was 1"]),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_makes_a_stage_stale_is_said_in_words(tmp_path, case):
    settings, inputs, version, reasons = CHANGES[case]
    manifest = finished(tmp_path)
    assert not manifest.is_current("sample", fingerprint(settings, inputs, version))
    assert manifest.stale_reasons("sample", settings, inputs, version) == reasons


@pytest.mark.parametrize(
    ("content", "words"), [(None, "is missing"), ("other", "was changed by something else")]
)
def test_an_output_that_is_not_as_it_was_left_makes_the_stage_stale(tmp_path, content, words):
    manifest = finished(tmp_path)
    path = tmp_path / "tables/completions/shard-00000.parquet"
    path.unlink() if content is None else path.write_text(content)
    assert not manifest.is_current("sample", fingerprint(SETTINGS, INPUTS, 1))
    reasons = manifest.stale_reasons("sample", SETTINGS, INPUTS)
    assert reasons == [f"tables/completions/shard-00000.parquet {words}"]


def test_a_stage_that_was_killed_or_failed_is_not_current(tmp_path):
    finished(tmp_path).start("sample", SETTINGS, INPUTS)
    killed = Manifest.open(tmp_path)
    assert killed.stage("sample").status == "running"
    assert not killed.is_current("sample", fingerprint(SETTINGS, INPUTS, 1))
    assert killed.stale_reasons("sample", SETTINGS, INPUTS) == ["it was not finished"]
    killed.fail("sample", ValueError("no room"), calls_made=2)
    failed = Manifest.open(tmp_path)
    assert (failed.stage("sample").status, failed.stage("sample").error) == ("failed", "no room")
    assert failed.stale_reasons("sample", SETTINGS, INPUTS) == ["it failed"]


def test_a_stage_whose_rows_do_not_add_up_cannot_finish(tmp_path):
    manifest = Manifest.open(tmp_path)
    manifest.start("build", {}, {})
    with pytest.raises(AccountingError):
        manifest.finish("build", {}, [Account("build", 3, kept=2)])
    assert Manifest.open(tmp_path).stage("build").status == "running"


def test_facts_of_the_run_are_kept_and_added_to(tmp_path):
    Manifest.open(tmp_path).describe(recipe={"name": "quickstart"}, seeds={"run": 0})
    Manifest.open(tmp_path).describe(code={"version": "0.1.0"})
    finished(tmp_path)
    header = Manifest.open(tmp_path).header
    assert header == {"recipe": {"name": "quickstart"}, "seeds": {"run": 0}, "code": {"version": "0.1.0"}}


SECRET = "correct-horse-battery"


def test_no_secret_reaches_the_file_by_any_way(tmp_path):
    settings = {"api_key": SECRET, "headers": {"Authorization": f"Bearer {SECRET}"}, "n": 1}
    manifest = Manifest.open(tmp_path)
    manifest.describe(recipe={"judge": {"hf_token": SECRET, "base_url": f"https://me:{SECRET}@host/v1"}})
    manifest.start("judge", settings, {})
    manifest.finish("judge", {}, notes={"password": SECRET})
    manifest.fail("judge", f"401 from https://host/v1?api_key={SECRET}&x=1")
    assert SECRET not in (tmp_path / "manifest.json").read_text()
    assert "https://host/v1?api_key=[redacted]&x=1" in (tmp_path / "manifest.json").read_text()


def test_another_api_key_does_not_make_a_stage_stale(tmp_path):
    manifest = Manifest.open(tmp_path)
    manifest.start("judge", {"api_key": "one"}, {})
    manifest.finish("judge", {})
    assert manifest.is_current("judge", fingerprint({"api_key": "two"}, {}, 1))
    assert manifest.stale_reasons("judge", {"api_key": "two"}, {}) == []


LEAVES = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0, "", "a", "long " * 20])
TREES = st.dictionaries(
    st.sampled_from("abc"), LEAVES | st.dictionaries(st.sampled_from("xy"), LEAVES), max_size=3
)


@given(TREES, TREES)
def test_there_is_a_reason_exactly_when_the_fingerprint_differs(old, new):
    same = fingerprint(old, {}, 1) == fingerprint(new, {}, 1)
    assert (diff_settings(old, new) == []) == same


def test_differences_are_named_by_their_path():
    old = {"sample": {"n": 8, "stop": []}, "judge": {"template": "x" * 80, "votes": 3}, "flag": True}
    new = {"sample": {"n": 16, "stop": ["\n"]}, "judge": {"template": "y" * 80}, "flag": 1, "seed": None}
    assert diff_settings(old, new) == [
        "flag True -> 1",
        "judge.template changed",
        "judge.votes 3 removed",
        "sample.n 8 -> 16",
        "sample.stop [] -> ['\\n']",
        "seed null added",
    ]


@pytest.mark.parametrize(
    "text", ["[]", '{"format": 99, "stages": {}}', '{"format": 1}', '{"format": 1, "stages": {"s": {}}}', "{"]
)
def test_a_file_that_is_no_manifest_of_ours_is_refused_with_its_name(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json"):
        Manifest.open(tmp_path)


def test_the_file_is_plain_json_with_the_stages_in_the_order_they_ran(tmp_path):
    manifest = finished(tmp_path)
    manifest.start("verify", {}, {})
    assert list(json.loads((tmp_path / "manifest.json").read_text())["stages"]) == ["sample", "verify"]
