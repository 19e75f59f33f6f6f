"""The first wrong step: steps numbered from 0, a majority of critics, and never a guess."""

import polars as pl
import pytest
from scripted_judge import ScriptedJudge, tables

from labelers.judges.critique import FIRST_ERRORS, critique_steps, first_errors
from labelers.segment import Split
from samplers.engine import Sampling
from store.ledger import Ledger
from store.tables import CRITIQUES

WARM = Sampling(temperature=0.7)
SOLUTION = "3 + 4 = 7\n7 * 2 = 15\nThe answer is $\\boxed{2}$."


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger") as opened:
        yield opened


def critiqued(ledger, say, text=SOLUTION, n=1, template="critique", **options):
    prompts, completions = tables(1, n)
    texts = [text if i == 0 else f"{text}\n{i}" for i in range(n)]
    judge = ScriptedJudge(say)
    solutions = completions.with_columns(text=pl.Series(texts))
    return critique_steps(judge, ledger, solutions, prompts, template, **options), judge


def of_votes(*votes):
    """CRITIQUES of one solution, a sample per vote."""
    rows = [
        {"completion_id": "x", "judge": "j", "sample_index": i, "attempt": 0, "first_error": vote}
        for i, vote in enumerate(votes)
    ]
    return pl.DataFrame(rows, schema=CRITIQUES)


def test_steps_are_numbered_from_zero_and_the_index_is_read(ledger):
    rows, judge = critiqued(ledger, lambda _: "7 * 2 is 14.\n\\boxed{1}")
    assert rows.schema == CRITIQUES
    assert rows.select("n_steps", "first_error", "attempt").rows() == [(3, 1, 0)]
    assert "<step_0>\n3 + 4 = 7\n</step_0>\n\n<step_1>\n7 * 2 = 15\n</step_1>\n\n<step_2>\n" in judge.texts[0]


def test_no_wrong_step_is_minus_one_and_a_step_that_does_not_exist_is_unparsed(ledger):
    assert critiqued(ledger, lambda _: "\\boxed{-1}")[0]["first_error"].to_list() == [-1]
    rows, _ = critiqued(ledger, lambda _: "\\boxed{3}", text=SOLUTION + "x")
    assert rows["first_error"].to_list() == [None, None]


def test_a_critic_that_ends_with_the_boxed_answer_of_the_solution_has_found_nothing(ledger):
    def quote(request):
        return request.messages[0]["content"].split("<step_2>\n")[1].split("\n</step_2>")[0].split()[-1]

    rows, judge = critiqued(ledger, quote)
    assert rows["raw"].to_list() == ["$\\fbox{2}$."] * 2
    assert rows["first_error"].to_list() == [None, None]


def test_solutions_are_cut_as_the_policy_of_the_run_says(ledger):
    blank = SOLUTION.replace("\n", "\n\n", 1)
    rows, judge = critiqued(ledger, lambda _: "\\boxed{1}", text=blank, split=Split("blank-line"))
    assert rows["n_steps"].to_list() == [2]
    assert "<step_1>\n7 * 2 = 15\nThe answer is" in judge.texts[0]


def test_the_processbench_variant_speaks_of_paragraphs(ledger):
    _, judge = critiqued(ledger, lambda _: "\\boxed{-1}", template="critique_paragraph")
    assert "<paragraph_1>\n7 * 2 = 15\n</paragraph_1>" in judge.texts[0] and "<step" not in judge.texts[0]


def test_a_structured_critic_may_name_any_step_or_none(ledger):
    _, judge = critiqued(ledger, lambda request: request.sampling.choice[0], structured=True)
    assert judge.asked[0].sampling.choice == ("\\boxed{-1}", "\\boxed{0}", "\\boxed{1}", "\\boxed{2}")


def test_samples_vote_and_every_reply_is_a_row(ledger):
    replies = ["\\boxed{1}", "\\boxed{1}", "\\boxed{2}", "Hard to say."]
    rows, judge = critiqued(ledger, lambda r: replies[r.sample_index], n=2, sampling=WARM, samples=4)
    assert rows.height == len(judge.asked) == 2 * (4 + 1)
    found = first_errors(rows)
    assert found.schema == FIRST_ERRORS
    assert found.drop("completion_id").rows() == [(1, 3, 2 / 3)] * 2


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([2], (2, 1, 1.0)),
        ([-1, -1, 0], (-1, 3, 2 / 3)),
        ([1, 2], (None, 2, 0.5)),  # a draw is no majority
        ([1, 1, 2, 2, 3], (None, 5, 0.4)),
        ([0, None, None], (0, 1, 1.0)),
        ([None], (None, 0, None)),
    ],
)
def test_the_majority_of_readable_critiques_decides(votes, expected):
    assert first_errors(of_votes(*votes)).row(0)[1:] == expected


def test_judges_vote_together_and_the_order_of_rows_says_nothing():
    other = of_votes(1, 1).with_columns(judge=pl.lit("k"))
    both = pl.concat([of_votes(2), other])
    assert first_errors(both).row(0)[1:] == first_errors(both.reverse()).row(0)[1:] == (1, 3, 2 / 3)


def test_an_empty_solution_has_no_steps_and_is_not_asked_about(ledger):
    rows, judge = critiqued(ledger, lambda _: "\\boxed{-1}", text="")
    assert rows.height == len(judge.asked) == 0
    assert (rows.schema, first_errors(rows).schema) == (CRITIQUES, FIRST_ERRORS)
