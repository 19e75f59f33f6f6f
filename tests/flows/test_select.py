"""Prompts annotated by a judge and a classifier, chosen by what they say, and sets built with filters."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from aiohttp import web
from chat_server import ChatServer, reply
from small_tables import completions, labels, prompts

from curation.annotations import ANNOTATIONS
from curation.candidates import EXCLUDED
from curation.sets import outcome
from flows import annotate, filters, select
from flows.annotate import ANNOTATIONS_FILE, REPLIES_FILE
from flows.build import SCHEMAS, set_file
from flows.engines import allow_calls, close_engines
from flows.judge import NothingJudged
from flows.plan import Probe, estimate
from flows.prompt_tables import prompts_in, prompts_out
from flows.recipe import Recipe, validate_recipe
from flows.run import chain
from flows.stage import perform, perform_here, run_stages
from labelers.annotate import REPLIES
from store.errors import InputError
from store.manifest import Manifest
from store.shards import file_hash, read_table, write_table
from store.tables import COMPLETION_VERDICTS, PROMPTS

TOPICS = {"sums": "arithmetic", "verse": "poems", "other": ""}
WORDS = {"sums": "add subtract number total twice sum", "verse": "poem rhyme stanza moon ode lament"}


def recipe_with(**sections: Any) -> Recipe:
    data = {
        "name": "chosen",
        "engine": {"kind": "openai", "model": "m", "base_urls": ["http://127.0.0.1:9/v1"]},
        "prompts": {"source": "file", "path": "rows.jsonl"},
        "sample": {},
        "build": {"sets": ["preference"]},
        "vote": {},
    }
    return validate_recipe(data | sections, "test")


def asked(n: int) -> pl.DataFrame:
    """Prompts of two topics, told by their words; every tenth is held out, every ninth says nothing."""
    rng, rows = random.Random(0), []
    for i in range(n):
        words = rng.choices(WORDS["verse" if i % 3 else "sums"].split(), k=8) if i % 9 else ["hm"] * 8
        text = f"{' '.join(words)} {i}"
        message = [{"role": "user", "content": text}]
        split = "train" if i % 10 else "test"
        row = dict.fromkeys(PROMPTS) | {"prompt_id": f"p{i:03}", "split": split, "messages": message}
        rows.append(row | {"domain": "a" if i % 2 else "b"})
    return pl.DataFrame(rows, schema=PROMPTS)


async def judge(body: dict[str, Any], number: int) -> web.StreamResponse:
    """Says the topic that the words tell and a quality; nothing readable of a prompt that says nothing."""
    question = body["messages"][-1]["content"]
    shown = re.search(r"<request>\n(.*)\n</request>", question, re.DOTALL)[1]
    if "hm" in shown:
        said = "I cannot tell."
    elif "scale from 1 to 5" in question:
        said = "[[5]]" if "poem" in shown else "[[2]]"
    else:
        said = "[[A]]" if any(word in shown for word in WORDS["sums"].split()) else "[[B]]"
    answer = reply(body, 1)
    answer["choices"][0]["message"]["content"] = said
    return web.json_response(answer)


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with ChatServer(judge) as running:
        yield running


@pytest.fixture
def annotated(tmp_path: Path, server: ChatServer) -> Iterator[Callable[..., tuple[pl.DataFrame, Any]]]:
    """Annotate 180 prompts with these settings; the table and the stage's outcome."""

    def go(**config: Any) -> tuple[pl.DataFrame, Any]:
        engine = {"kind": "openai", "model": "m", "base_urls": [server.url]}
        recipe = recipe_with(annotate={"topics": TOPICS, "engine": engine} | config, select={})
        write_table(asked(180), tmp_path / prompts_in(recipe, "select"), PROMPTS)
        outcome, _ = perform(tmp_path, recipe, annotate.stage(recipe))
        return read_table(tmp_path / ANNOTATIONS_FILE, ANNOTATIONS), outcome

    allow_calls(None)
    yield go
    close_engines()


def test_the_judge_says_it_of_a_sample_and_the_classifier_of_the_rest(annotated, tmp_path: Path) -> None:
    table, outcome = annotated(max_prompts=90)
    assert table.height == outcome.account.kept == 180
    truth = dict(
        asked(180).select("prompt_id", pl.col("messages").list.first().struct["content"]).iter_rows()
    )
    sums = {i for i, text in truth.items() if {*WORDS["sums"].split()} & {*text.split()}}
    clear = table.filter(pl.col("topic").is_not_null()).rows_by_key("prompt_id", named=True, unique=True)
    told = [
        row["topic"] == ("sums" if i in sums else "verse") for i, row in clear.items() if "hm" not in truth[i]
    ]
    assert len(told) >= 155 and sum(told) / len(told) > 0.98
    by = Counter(table["topic_by"])
    assert by["judge"] == 90 - sum("hm" in truth[i] for i in _judged(tmp_path)) and by["classifier"] > 60
    assert table.filter(pl.col("topic_by") == "classifier")["topic_probability"].min() >= 0.5
    assert table.filter(pl.col("topic_by") == "judge")["topic_probability"].null_count() == by["judge"]
    assert table["quality"].null_count() == 0 and table["quality"].is_between(1, 5).all()
    facts = outcome.facts
    assert facts["classifier"]["topic"]["accuracy"] > 0.95 > facts["classifier"]["topic"]["baseline"]
    assert facts["classifier"]["quality"]["error"] < facts["classifier"]["quality"]["baseline_error"]
    assert facts["judged"] == 90 and facts["replies"]["unparsed"] == 2 * (90 - by["judge"])
    assert sum(facts["topics"].values()) == sum(facts["quality"].values()) == 180


def _judged(folder: Path) -> set[str]:
    return set(read_table(folder / REPLIES_FILE, REPLIES)["prompt_id"])


def test_what_the_judge_cannot_say_is_no_annotation_where_nobody_else_is_asked(annotated) -> None:
    table, outcome = annotated(max_prompts=None, quality=False)
    unclear = table.filter(pl.col("topic").is_null())
    assert unclear["prompt_id"].to_list() == [f"p{i:03}" for i in range(0, 180, 9)]
    assert set(table["quality"]) == {None} and outcome.facts["classifier"] == {}
    assert outcome.facts["topic_by"] == {"judge": 160, "none": 20}


def test_annotating_again_costs_nothing_and_gives_the_same_bytes(annotated, tmp_path: Path) -> None:
    first = annotated(max_prompts=60)[1]
    hashes = [file_hash(tmp_path / name) for name in (ANNOTATIONS_FILE, REPLIES_FILE)]
    again = annotated(max_prompts=60)[1]
    assert first.usage.calls > 0 == again.usage.calls
    assert hashes == [file_hash(tmp_path / name) for name in (ANNOTATIONS_FILE, REPLIES_FILE)]


def test_a_judge_that_cannot_be_read_stops_the_run() -> None:
    config = recipe_with(annotate={"max_prompts": 50}, select={}).annotate
    with pytest.raises(NothingJudged, match="only 0 replies about the topic"):
        annotate.annotated(asked(60), pl.DataFrame(schema=REPLIES), config, 0)


def selected(folder: Path, table: pl.DataFrame, said: pl.DataFrame | None = None, **config: Any) -> Any:
    """The prompts that are left, and the outcome."""
    recipe = recipe_with(select=config, **({"annotate": {"topics": TOPICS}} if said is not None else {}))
    write_table(table, folder / prompts_in(recipe, "select"), PROMPTS)
    if said is not None:
        write_table(said, folder / ANNOTATIONS_FILE, ANNOTATIONS)
    outcome, _ = perform(folder, recipe, select.stage(recipe))
    return read_table(folder / prompts_out(recipe, "select"), PROMPTS), outcome


def test_prompts_are_dropped_by_the_first_filter_they_fail(tmp_path: Path) -> None:
    texts = {
        "short": "Why?",
        "german": "Warum ist der Himmel am Abend rot und am Mittag blau, und was hat das mit Staub zu tun?",
        "sum": "12 + 30 * 4 - 5 = ?",
        "formula": "Simplify $(u+4)(u-1) - (u-3)(u+6)$.",
        "english": "Why is the sky red in the evening and blue at noon, and what has dust to do with it?",
        "long": "word " * 60,
        "held": "What makes the sea salty, and why do rivers stay fresh although they feed it?",
    }
    table = pl.concat(
        [prompts(**texts).filter(pl.col("prompt_id") != "held"), prompts(split="test", held=texts["held"])]
    )
    kept, outcome = selected(tmp_path, table, min_words=3, max_words=50, languages=["en"])
    assert kept["prompt_id"].to_list() == ["sum", "formula", "english", "held"]
    assert outcome.account.rejected == {"too_short": 1, "too_long": 1, "other_language": 1}
    assert outcome.facts["funnel"] == [
        {"filter": "too_short", "rejected": 1, "left": 6},
        {"filter": "too_long", "rejected": 1, "left": 5},
        {"filter": "other_language", "rejected": 1, "left": 4},
    ]


def test_system_messages_have_no_part_in_length_and_language(tmp_path: Path) -> None:
    long = "You are a very helpful and kind assistant, careful in all that you say to people at all times."
    french = "Répondez toujours en français, monsieur, et soyez toujours très poli avec le client."
    german = "Wie komme ich am besten von Berlin nach Hamburg, wenn der Zug heute nicht mehr fährt?"
    english = "What makes the sea salty, and why do rivers stay fresh although they feed it?"
    asked = {"short": (long, "hi"), "english": (french, english), "german": (long, german)}
    table = prompts(*asked).with_columns(
        messages=pl.Series(
            [[{"role": "system", "content": s}, {"role": "user", "content": u}] for s, u in asked.values()],
            dtype=PROMPTS["messages"],
        )
    )
    kept, outcome = selected(tmp_path, table, min_words=3, max_words=16, languages=["en"])
    assert kept["prompt_id"].to_list() == ["english"]
    assert outcome.account.rejected == {"too_short": 1, "other_language": 1}


def test_topics_and_quality_choose_prompts_and_quotas_limit_training_ones(tmp_path: Path) -> None:
    table = asked(60)
    rows = [
        (i, [None, "sums", "verse", "other"][n % 4], "judge", None, [None, 4.0, 2.0][n % 3], "judge")
        for n, i in enumerate(table["prompt_id"])
    ]
    said = pl.DataFrame(rows, schema=ANNOTATIONS, orient="row")
    kept, outcome = selected(tmp_path, table, said, topics=["sums", "verse"], min_quality=3)
    wanted = [i for i, topic, _, _, quality, _ in rows if topic in ("sums", "verse") and quality == 4.0]
    assert kept["prompt_id"].to_list() == wanted
    assert outcome.account.rejected == {
        "no_topic": 15,
        "other_topic": 15,
        "no_quality": 10,
        "low_quality": 10,
    }
    kept, outcome = selected(tmp_path, table, said, quota_by="topic", quotas={"sums": 3, "*": 5})
    train = Counter(dict(said.select("prompt_id", "topic").iter_rows())[i]
                    for i in kept.filter(pl.col("split") == "train")["prompt_id"])  # fmt: skip
    assert train == {"sums": 3, "verse": 5, "other": 5, None: 5}
    assert kept.filter(pl.col("split") == "test").height == table.filter(pl.col("split") == "test").height
    shuffled, _ = selected(tmp_path, table.sample(fraction=1, shuffle=True, seed=1), said,
                           quota_by="topic", quotas={"sums": 3, "*": 5})  # fmt: skip
    assert set(shuffled["prompt_id"]) == set(kept["prompt_id"])


def test_a_quota_that_no_prompt_can_meet_and_a_filter_that_leaves_nothing_stop_the_run(
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match="no prompt has the domain 'maths'; there are 'a', 'b'"):
        selected(tmp_path, asked(20), quotas={"maths": 5})
    with pytest.raises(InputError, match="no training prompt is left: select 20 kept 0 too_short 20"):
        selected(tmp_path, asked(20), min_words=100)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"annotate": {}}, "add `select`"),
        ({"select": {"topics": ["sums"]}}, "topics are said by `annotate`"),
        (
            {"select": {"quota_by": "topic", "quotas": {"sums": 3}}, "annotate": {"topics": {}}},
            "said by `ann",
        ),
        ({"select": {"min_quality": 3}, "annotate": {"quality": False}}, "quality is said by `annotate`"),
        ({"select": {"topics": ["sums", "law"]}, "annotate": {"topics": TOPICS}}, "'law' is no topic"),
        ({"select": {"min_words": 9, "max_words": 3}}, "min_words 9 is above max_words 3"),
        ({"select": {"quota_by": "source"}}, "has no quotas"),
        ({"select": {"languages": ["en", "klingon"]}}, "'klingon' cannot be told; there are af"),
        ({"select": {}, "annotate": {"topics": {}, "quality": False}}, "nothing to annotate"),
        ({"select": {}, "annotate": {"topics": {"one": ""}}}, "give 2 to 26"),
        (
            {"build": {"sets": ["preference"], "filters": {"min_pass_rate": 0.9, "max_pass_rate": 0.1}}},
            "above",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe_with(**sections)


def test_completions_are_left_out_of_sets_under_a_name(tmp_path: Path) -> None:
    said = completions(
        easy=["It is 4, clearly.", "The answer is 4."],
        mixed=[
            "I'm sorry, but I can't help with that.",
            "It is five, since 2 + 3 = 5.",
            "It is 6 or so.",
            "5",
        ],
        chat=["Hello there, how are you today?", "I cannot assist with this request, sorry."],
    )
    marks = labels(easy="++", mixed="-+-+")
    config = {"refusals": "drop", "min_words": 2, "max_pass_rate": 0.9}
    recipe = recipe_with(build={"sets": ["preference"], "filters": config})
    values = said.select("completion_id", value=pl.lit("x"))
    found, facts = filters.excluded(tmp_path, recipe, said, marks, values)
    assert found.schema == EXCLUDED
    assert dict(found.iter_rows()) == {
        "easy0": "too_easy",
        "easy1": "too_easy",
        "mixed0": "refusal",
        "mixed3": "too_short",
        "chat1": "refusal",
    }
    assert facts["filters"] == {"refusal": 2, "too_easy": 2, "too_short": 1}
    assert facts["pass_rates"] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 1]
    nothing, _ = filters.excluded(tmp_path, recipe_with(), said, marks, values)
    assert nothing.height == 0


def test_near_copies_with_one_label_are_one_completion_and_with_two_a_hard_pair(tmp_path: Path) -> None:
    long = "first we add the two numbers and then we halve the sum so that the mean of both is"
    said = completions(
        p=[f"{long} four", f"{long} five", f"{long.capitalize()}, four.", "another way to do it"]
    )
    recipe = recipe_with(deduplicate={"completions": 0.7})
    values = pl.DataFrame({"completion_id": ["p0", "p1", "p2", "p3"], "value": ["+", "-", "+", "+"]})
    found, _ = filters.excluded(tmp_path, recipe, said, labels(p="+-++"), values)
    assert found.rows() == [("p2", "near_duplicate")]


def test_what_no_set_takes_is_nobodys_near_copy(tmp_path: Path) -> None:
    """p2 is nearly p0 and p1, whose text has both labels, so that it is all that is left; p5 is nearly p4."""
    long = " ".join(f"word{i}" for i in range(20))
    said = completions(p=[long, f"{long} ", f"{long} end", "other words", "", " "])
    marks = labels(p="+-+-++")
    values = marks.select("completion_id", value=pl.col("label").cast(pl.String))
    recipe = recipe_with(deduplicate={"completions": 0.7})
    found, _ = filters.excluded(tmp_path, recipe, said, marks, values)
    rows, account = outcome(prompts("p"), said, marks, excluded=found)
    assert rows["completion_id"].to_list() == ["p2", "p3"]
    assert account.rejected == {"conflicting_label": 2, "empty_text": 2}


def test_a_plan_counts_the_questions_about_prompts() -> None:
    probe = Probe(prompt_tokens=10, new_tokens=5, solutions=(), seconds_per_token=0.0)
    for config, calls in (({}, 360), ({"max_prompts": 50}, 100), ({"quality": False, "max_prompts": 50}, 50)):
        recipe = recipe_with(annotate={"topics": TOPICS} | config, select={})
        assert estimate(recipe, asked(180), probe)[0].calls == calls


def test_the_sets_of_a_run_are_what_its_filters_leave(tmp_path: Path, module_server: Any) -> None:
    build = {
        "sets": ["preference", "outcome", "ranking"],
        "completions_per_prompt": 4,
        "max_imbalance": 1.0,
        "filters": {"min_pass_rate": 0.2, "max_pass_rate": 0.8},
    }
    recipe = recipe_with(
        engine={"kind": "openai", "model": "world", "base_urls": [module_server.url]},
        prompts={"source": "world", "n_train": 24, "n_test": 3, "planted_leaks": 0},
        sample={"n": 6, "n_test": 2, "max_tokens": 200},
        select={"quotas": {"*": 20}},
        build=build,
    )
    manifest = Manifest.open(tmp_path)
    try:
        for stages in chain(tmp_path, recipe):
            run_stages(tmp_path, recipe, stages, manifest, perform_here)
    finally:
        close_engines()
    verdicts = read_table(tmp_path / "tables/verdicts", COMPLETION_VERDICTS)
    rates = verdicts.group_by("prompt_id").agg(rate=(pl.col("verdict").cast(pl.String) == "correct").mean())
    fair = rates.filter(pl.col("rate").is_between(0.2, 0.8))["prompt_id"].to_list()
    for name in ("preference", "outcome", "ranking"):
        parts = [read_table(tmp_path / set_file(name, split), SCHEMAS[name]) for split in ("train", "test")]
        found = pl.concat(parts)
        assert found.height and set(found["prompt_id"]) <= set(fair)
        notes = manifest.stages[f"build/{name}"].notes
        assert sum(notes["filters"].values()) > 0 and sum(notes["pass_rates"]) == 20
        if name == "outcome":
            assert found["label"].sum() * 2 == found.height <= 4 * found["prompt_id"].n_unique()
    assert manifest.stages["select"].accounts[0]["rejected"] == {"over_quota": 4}


def test_a_run_selects_before_it_constrains(tmp_path: Path) -> None:
    recipe = recipe_with(select={"min_words": 2}, constrain={})
    assert prompts_out(recipe, "decontaminate") == prompts_in(recipe, "select")
    assert (
        prompts_out(recipe, "select") == prompts_in(recipe, "constrain") != prompts_out(recipe, "constrain")
    )
    assert json.loads(recipe.model_dump_json())["select"]["min_words"] == 2
