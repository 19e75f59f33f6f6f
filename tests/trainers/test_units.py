"""Units: where labels stand, which items are made of them, and why a row gives none."""

from __future__ import annotations

from dataclasses import fields
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import assistant, byte_tokenizer, sum_rows, user, write_rows

from trainers import TrainConfig
from trainers.data import Example, read_examples
from trainers.tokenize import Codec
from trainers.units import Unit, fingerprint, make_units

PAIR = {"prompt": user("?"), "chosen": assistant("yes"), "rejected": assistant("no")}
SOLUTION = {"prompt": user("?"), "completion": assistant("yes"), "label": True}
STEPWISE = {"prompt": user("?"), "completions": ["a\n", "b"], "labels": [True, False]}
RANKING = {"prompt": user("?"), "completions": ["a", "b", "c", "d"], "scores": [0.0, 2.0, 0.5, 2.0]}
RATED = {"prompt": user("?"), "completion": assistant("yes"), "helpful": 4, "verbose": None}
CODEC = Codec(byte_tokenizer(), "x")


def config(objective: str, **changes: Any) -> TrainConfig:
    return TrainConfig(objective=objective, model="-", data=["-"], output="-", **changes)


def made(
    folder: Path, row: dict[str, Any] | list[dict[str, Any]], objective: str, **changes: Any
) -> tuple[list[Unit], dict[str, int]]:
    wanted = config(objective, **changes)
    file = write_rows(folder / "rows.parquet", row if isinstance(row, list) else [row])
    return make_units(read_examples([file], wanted), CODEC, wanted, 100)


def one(folder: Path, row: dict[str, Any], objective: str, **changes: Any) -> Unit:
    return made(folder, row, objective, **changes)[0][0]


def test_every_row_is_used_or_dropped_for_a_named_reason(tmp_path: Path) -> None:
    rows = [STEPWISE, STEPWISE | {"labels": [None, None]}, STEPWISE | {"completions": ["x" * 200, "b"]}]
    examples = read_examples([write_rows(tmp_path / "a.parquet", rows)], config("prm"))
    units, counts = make_units(examples, Codec(byte_tokenizer(), "x"), config("prm"), max_tokens=100)
    assert counts == {"rows": 3, "used": 1, "no_label": 1, "too_long": 1}
    assert len(units) == 1


def test_a_pair_the_tokenizer_cannot_tell_apart_is_dropped(tmp_path: Path) -> None:
    from tokenizers import normalizers

    tokenizer = byte_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    path = write_rows(tmp_path / "a.parquet", [PAIR, PAIR | {"chosen": assistant("NO")}])
    _, counts = make_units(read_examples([path], config("bt")), Codec(tokenizer, "x"), config("bt"), 100)
    assert counts == {"rows": 2, "used": 1, "same_tokens": 1}


def test_labels_stand_where_each_objective_wants_them(tmp_path: Path) -> None:
    pair = one(tmp_path, PAIR | {"soft": 0.75, "margin": 2.0}, "bt", margin_scale=0.5)
    assert pair.at.tolist() == [len(p) - 1 for p in pair.paths]
    assert (pair.items.target.tolist(), pair.items.margin.tolist()) == ([[0.75]], [1.0])
    tokens = one(tmp_path, SOLUTION, "orm")
    n_prompt = CODEC.encode(user("?"), ["yes"]).n_prompt
    assert tokens.at.tolist() == list(range(n_prompt, len(tokens.paths[0]))) and tokens.n_prompt == n_prompt
    assert one(tmp_path, SOLUTION, "orm", orm_target="last").at.tolist() == [len(tokens.paths[0]) - 1]
    steps = one(tmp_path, STEPWISE | {"labels": [None, False], "confidences": [0.5, 0.25]}, "prm")
    assert steps.at.tolist() == [n_prompt + 2]  # "a\n" is two bytes, "b" the third
    assert (steps.items.target.tolist(), steps.items.weight.tolist()) == ([[0.0]], [0.25])
    soft = one(tmp_path, STEPWISE | {"values": [0.75, None]}, "prm", prm_target="soft")
    assert soft.items.target.tolist() == [[0.75]]


def test_row_order_does_not_change_the_units(tmp_path: Path) -> None:
    rows = sum_rows("prm", 12)
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(12)]
    first, second = (made(tmp_path, order, "prm")[0] for order in (rows, shuffled))
    assert [u.paths[0].tolist() for u in first] == [u.paths[0].tolist() for u in second]


def test_all_pairs_of_a_ranking_weigh_as_much_as_one_pair(tmp_path: Path) -> None:
    unit = one(tmp_path, RANKING, "bt", margin_scale=2.0)
    assert [CODEC.tokenizer.decode([path[at - 2]]) for path, at in zip(unit.paths, unit.at, strict=True)] == [
        *"abcd"
    ]
    found = {
        "abcd"[better] + "abcd"[worse]: (target, margin)
        for (better, worse), (target,), margin in zip(
            unit.items.member, unit.items.target, unit.items.margin, strict=True
        )
    }
    # b and d lead with 2, then c with 0.5, then a with 0; margins are twice the differences
    assert found == {
        "bd": (0.5, 0.0),
        "bc": (1.0, 3.0),
        "dc": (1.0, 3.0),
        "ba": (1.0, 4.0),
        "da": (1.0, 4.0),
        "ca": (1.0, 1.0),
    }
    assert unit.items.weight == pytest.approx([1 / 6] * 6)
    without_ties = one(tmp_path, RANKING, "bt", ties="drop").items
    assert len(without_ties) == 5 and without_ties.weight == pytest.approx([1 / 5] * 5)


def test_a_ranking_does_without_completions_that_cannot_be_used(tmp_path: Path) -> None:
    long = RANKING | {"completions": ["a", "x" * 200, "c", "d"]}
    units, counts = made(tmp_path, [long], "bt")
    assert counts == {"rows": 1, "used": 1, "completions_too_long": 1}
    assert [CODEC.tokenizer.decode([path[-3]]) for path in units[0].paths] == [*"acd"]
    # scores 0, 0.5 and 2: d before c before a
    assert sorted(map(tuple, units[0].items.member.tolist())) == [(1, 0), (2, 0), (2, 1)]
    assert units[0].items.weight == pytest.approx([1 / 3] * 3)
    too_few = RANKING | {"completions": ["a", *("x" * n for n in (200, 201, 202))]}
    assert made(tmp_path, [too_few], "bt")[1] == {"rows": 1, "too_long": 1}


def test_completions_of_a_ranking_that_the_tokenizer_cannot_tell_apart_are_left_out(tmp_path: Path) -> None:
    from tokenizers import normalizers

    tokenizer = byte_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    path = write_rows(tmp_path / "a.parquet", [RANKING | {"completions": ["a", "b", "A", "d"]}])
    examples = read_examples([path], config("bt"))
    units, counts = make_units(examples, Codec(tokenizer, "x"), config("bt"), 100)
    assert counts == {"rows": 1, "used": 1, "completions_same_tokens": 2}
    assert units[0].items.target.tolist() == [[0.5]]  # b and d, both with 2


@pytest.mark.parametrize(
    ("objective", "row", "changes", "settings"),
    [
        ("orm", SOLUTION, {"label": False}, {}),
        ("prm", STEPWISE, {"labels": [True, True]}, {}),
        ("prm", STEPWISE, {"confidences": [1.0, 0.5]}, {}),
        ("bt", PAIR, {"soft": 0.5}, {}),
        ("bt", PAIR, {"margin": 2.0}, {"margin_scale": 1.0}),
        ("bt", RANKING, {"scores": [0.0, 2.0, 1.0, 3.0]}, {"loss": "plackett-luce"}),
        ("regression", RATED, {"helpful": 3}, {"attributes": ["helpful"]}),
    ],
)
def test_the_fingerprint_sees_labels(
    tmp_path: Path, objective: str, row: dict[str, Any], changes: dict[str, Any], settings: dict[str, Any]
) -> None:
    before, after = (made(tmp_path, r, objective, **settings)[0] for r in (row, row | changes))
    assert before[0].paths[0].tolist() == after[0].paths[0].tolist()
    assert fingerprint(before) != fingerprint(after)


def test_a_label_on_every_token_takes_little_memory(tmp_path: Path) -> None:
    unit = one(tmp_path, SOLUTION | {"completion": assistant("x" * 60)}, "orm")
    arrays = (unit.path, unit.at, *(getattr(unit.items, f.name) for f in fields(unit.items)))
    held = sum(a.nbytes if all(a.strides) else a.itemsize for a in arrays)
    assert held <= 8 * len(unit.at) + 64  # where the label stands, and which item it belongs to
    assert unit.items.target[:, 0].tolist() == [1.0] * len(unit.at)


def test_an_order_is_one_item_best_first_with_equal_ranks_for_ties(tmp_path: Path) -> None:
    items = one(tmp_path, RANKING, "bt", loss="plackett-luce").items
    assert items.member.tolist() == [[1, 3, 2, 0]] and items.target.tolist() == [[0, 0, 1, 2]]
    assert items.weight.tolist() == [1.0]
    for soft, member, ranks in ((1.0, [0, 1], [0, 1]), (0.5, [0, 1], [0, 0]), (0.0, [1, 0], [0, 1])):
        pair = one(tmp_path, PAIR | {"soft": soft}, "bt", loss="plackett-luce").items
        assert (pair.member.tolist(), pair.target.tolist()) == ([member], [ranks])


def test_dropped_ties_are_counted(tmp_path: Path) -> None:
    tied = RANKING | {"scores": [1.0] * 4}
    rows = [RANKING, tied, RANKING | {"scores": [1.0, 2.0, 3.0, 4.0]}]
    assert made(tmp_path, rows, "bt")[1] == {"rows": 3, "used": 3}
    assert made(tmp_path, rows, "bt", ties="drop")[1] == {"rows": 3, "used": 2, "tie": 1}
    _, counts = made(tmp_path, rows, "bt", ties="drop", loss="plackett-luce")
    assert counts == {"rows": 3, "used": 1, "tie": 2}
    pairs = [PAIR, PAIR | {"soft": 0.5}]
    assert made(tmp_path, pairs, "bt")[1] == {"rows": 2, "used": 2}
    assert made(tmp_path, pairs, "bt", ties="drop")[1] == {"rows": 2, "used": 1, "tie": 1}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=7), st.sampled_from(["half", "drop"]))
def test_every_pair_of_completions_is_compared_once_the_right_way_round(scores: list[int], ties: str) -> None:
    texts = tuple((f"{i}",) for i in range(len(scores)))
    example = Example("x", "p", tuple(user("?")), texts, tuple(map(float, scores)))
    units, counts = make_units([example], CODEC, config("bt", ties=ties), 100)
    wanted = {pair for pair in combinations(range(len(scores)), 2)}
    if ties == "drop":
        wanted = {(i, j) for i, j in wanted if scores[i] != scores[j]}
    if not wanted:
        assert counts == {"rows": 1, "tie": 1}
        return
    items = units[0].items
    assert {tuple(sorted(pair)) for pair in items.member.tolist()} == wanted and len(items) == len(wanted)
    ahead = np.array(scores)[items.member[:, 0]] - np.array(scores)[items.member[:, 1]]
    assert (ahead >= 0).all() and items.target[:, 0].tolist() == np.where(ahead > 0, 1.0, 0.5).tolist()
    assert items.weight.sum() == pytest.approx(1.0)


def test_a_rating_is_a_class_and_undecided_steps_have_none(tmp_path: Path) -> None:
    row = STEPWISE | {"completions": ["a", "b", "c", "d"], "ratings": [1, None, 0, -1]}
    unit = one(tmp_path, row | {"labels": None}, "prm", prm_target="ratings")
    n_prompt = CODEC.encode(user("?"), ["a"]).n_prompt
    assert unit.at.tolist() == [n_prompt, n_prompt + 2, n_prompt + 3]
    assert unit.items.target.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]  # good, neutral, bad


def test_missing_attributes_are_nan_and_a_row_without_any_is_dropped(tmp_path: Path) -> None:
    rows = [RATED | {"verbose": 1.5}, RATED | {"helpful": float("nan")}, RATED]
    units, counts = made(tmp_path, rows, "regression", attributes=["verbose", "helpful"])
    assert counts == {"rows": 3, "used": 2, "no_label": 1}
    targets = sorted(unit.items.target[0].tolist() for unit in units)
    assert targets[0] == [1.5, 4.0] and np.isnan(targets[1][0]) and targets[1][1] == 4.0
    assert sorted(unit.items.weight.tolist() for unit in units) == [[1.0], [2.0]]  # values that are there
    assert all(unit.at.tolist() == [len(unit.paths[0]) - 1] for unit in units)
