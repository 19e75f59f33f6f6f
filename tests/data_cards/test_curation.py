"""The prompts' way into the sets, as report and card show it."""

from __future__ import annotations

from made_run import made_run

from data_cards.curation import curation_blocks, duplicate_examples, funnel
from data_cards.report import report
from data_cards.run import Run


def test_the_way_is_that_of_the_prompts_with_what_each_stage_left_out() -> None:
    steps = funnel(made_run())
    assert [(step.name, step.left) for step in steps] == [
        ("prompts", 121),
        ("decontaminate", 120),
        ("deduplicate", 118),
        ("select", 118),
    ]
    assert steps[1].share == 120 / 121 and steps[2].reasons == [("near_duplicate", 2)]


def test_a_run_that_has_loaded_nothing_has_no_way() -> None:
    empty = {"accounts": [{"stage": "prompts", "in": 0, "out": 0, "rejected": {}}]}
    assert funnel(Run(manifest={"stages": {"prompts": empty}})) == []
    assert funnel(Run(manifest={})) == [] and curation_blocks(Run(manifest={})) == []


def test_duplicates_stand_beside_what_stayed_for_them() -> None:
    run = made_run("<b>")
    (pair,) = duplicate_examples(run)
    assert pair["similarity"] == 0.9
    page = report(run)
    section = page[page.index('<section id="curation">') :].partition("</section>")[0]
    assert "90 % alike" in section and "Two pens&lt;b&gt;" in section
    assert "near duplicate <b>2</b>" in section


def test_counts_are_shown_commonest_first_with_shares() -> None:
    topics = next(block for block in curation_blocks(made_run()) if block.title == "Topics")
    assert topics.rows == [("arithmetic", "100 (84.7 %)"), ("geometry", "18 (15.3 %)")]
