"""Reading labelled sets: what is wrong stops with file and row, what is unusable is counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_models import assistant, byte_tokenizer, sum_rows, user, write_rows

from store.errors import InputError
from trainers import TrainConfig, train
from trainers.config import make_config, read_config
from trainers.data import read_examples
from trainers.tokenize import Codec
from trainers.units import make_units

PAIR = {"prompt": user("?"), "chosen": assistant("yes"), "rejected": assistant("no")}
SOLUTION = {"prompt": user("?"), "completion": assistant("yes"), "label": True}
STEPWISE = {"prompt": user("?"), "completions": ["a\n", "b"], "labels": [True, False]}


def config(objective: str, **changes: Any) -> TrainConfig:
    return TrainConfig(objective=objective, model="-", data=["-"], output="-", **changes)


@pytest.mark.parametrize(
    ("objective", "row", "message"),
    [
        ("bt", PAIR | {"rejected": assistant("yes")}, "row 1: chosen and rejected are the same"),
        ("bt", PAIR | {"chosen": assistant("")}, "row 1: chosen: the completion is empty"),
        ("bt", PAIR | {"chosen": user("yes")}, "row 1: chosen: must be a list of exactly one assistant"),
        ("bt", PAIR | {"prompt": []}, "row 1: prompt must be"),
        ("bt", PAIR | {"soft": 1.5}, "row 1: soft: 1.5 is not between"),
        ("orm", SOLUTION | {"completion": assistant("")}, "row 1: completion: the completion is empty"),
        ("prm", STEPWISE | {"labels": [True]}, "row 1: labels: 1 entries for 2 steps"),
        ("prm", STEPWISE | {"completions": ["a\n", ""]}, "row 1: completions must be"),
        ("prm", STEPWISE | {"labels": None}, "row 1: labels: 0 entries for 2 steps"),
    ],
)
def test_a_bad_row_is_named_with_its_file(tmp_path: Path, objective: str, row: dict, message: str) -> None:
    good = {"bt": PAIR, "orm": SOLUTION, "prm": STEPWISE}[objective]
    path = write_rows(tmp_path / "part.parquet", [good, row])
    with pytest.raises(InputError, match=f"part.parquet {message}"):
        read_examples([path], config(objective))


@pytest.mark.parametrize("labels", [[1, 0], [0.7, 0.2], ["+", "-"]])
def test_step_labels_that_are_not_booleans_are_refused(tmp_path: Path, labels: list[Any]) -> None:
    path = write_rows(tmp_path / "steps.parquet", [STEPWISE | {"labels": labels}])
    with pytest.raises(InputError, match="steps.parquet: column 'labels' holds .*, not booleans"):
        read_examples([path], config("prm"))


def test_missing_files_columns_and_rows_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere.parquet: no such file"):
        read_examples([tmp_path / "nowhere.parquet"], config("bt"))
    with pytest.raises(InputError, match="holds no .parquet"):
        read_examples([tmp_path], config("bt"))
    path = write_rows(tmp_path / "part.parquet", [SOLUTION])
    with pytest.raises(InputError, match="column 'chosen' is missing for objective 'bt'"):
        read_examples([path], config("bt"))
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(InputError, match="text.parquet: not readable"):
        read_examples([tmp_path / "text.parquet"], config("bt"))
    pq.write_table(pa.Table.from_pylist([SOLUTION]).slice(0, 0), path)
    with pytest.raises(InputError, match="no rows to train on"):
        read_examples([path], config("orm"))


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
    codec = Codec(byte_tokenizer(), "x")

    def unit(objective: str, row: dict, **changes: Any) -> Any:
        settings = config(objective, **changes)
        examples = read_examples([write_rows(tmp_path / "one.parquet", [row])], settings)
        return make_units(examples, codec, settings, 500)[0][0]

    pair = unit("bt", PAIR | {"soft": 0.75, "margin": 2.0}, margin_scale=0.5)
    assert pair.at.tolist() == [len(p) - 1 for p in pair.paths]
    assert (pair.items.target.tolist(), pair.items.margin.tolist()) == ([[0.75]], [1.0])
    tokens = unit("orm", SOLUTION)
    n_prompt = codec.encode(user("?"), ["yes"]).n_prompt
    assert tokens.at.tolist() == list(range(n_prompt, len(tokens.paths[0])))
    assert unit("orm", SOLUTION, orm_target="last").at.tolist() == [len(tokens.paths[0]) - 1]
    steps = unit("prm", STEPWISE | {"labels": [None, False], "confidences": [0.5, 0.25]})
    assert steps.at.tolist() == [n_prompt + 2]  # "a\n" is two bytes, "b" the third
    assert (steps.items.target.tolist(), steps.items.weight.tolist()) == ([[0.0]], [0.25])
    soft = unit("prm", STEPWISE | {"values": [0.75, None]}, prm_target="soft")
    assert soft.items.target.tolist() == [[0.75]]


def test_rows_without_a_prompt_id_are_grouped_by_their_messages(tmp_path: Path) -> None:
    rows = [
        SOLUTION,
        SOLUTION | {"completion": assistant("no"), "label": False},
        SOLUTION | {"prompt": user("!")},
    ]
    ids = [e.prompt_id for e in read_examples([write_rows(tmp_path / "a.parquet", rows)], config("orm"))]
    assert ids[0] == ids[1] != ids[2]


def test_the_stores_own_tables_are_read(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    from store.tables import OUTCOME, PREFERENCE
    from store.tables import STEPWISE as STEPS

    for objective, schema in (("bt", PREFERENCE), ("orm", OUTCOME), ("prm", STEPS)):
        rows = [{name: row.get(name) for name in schema} for row in sum_rows(objective, 4)]
        polars.DataFrame(rows, schema=schema).write_parquet(tmp_path / f"{objective}.parquet")
        assert len(read_examples([tmp_path / f"{objective}.parquet"], config(objective))) == 4


def test_unknown_and_bad_settings_are_named(tmp_path: Path) -> None:
    base = {"objective": "bt", "model": "m", "data": ["d"], "output": "o"}
    with pytest.raises(InputError, match=r"epoch: .* \(nearest setting: epochs\)"):
        make_config(base | {"epoch": 2}, "c.yaml")
    with pytest.raises(InputError, match="c.yaml: lr: Input should be greater than 0"):
        make_config(base | {"lr": -1}, "c.yaml")
    with pytest.raises(InputError, match="no such file"):
        read_config(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text("objective: [")
    with pytest.raises(InputError, match="not readable as YAML"):
        read_config(tmp_path / "c.yaml")


def test_a_run_without_a_usable_row_stops_before_training(settings: Callable[..., TrainConfig]) -> None:
    with pytest.raises(InputError, match="no usable row.*too_long"):
        train(settings("orm", max_tokens=10))


def test_row_order_does_not_change_the_units(tmp_path: Path) -> None:
    rows = sum_rows("prm", 12)
    codec = Codec(byte_tokenizer(), "x")

    def paths(order: list[int]) -> list[list[int]]:
        file = write_rows(tmp_path / "a.parquet", [rows[i] for i in order])
        return [
            u.paths[0].tolist()
            for u in make_units(read_examples([file], config("prm")), codec, config("prm"), 500)[0]
        ]

    assert paths(list(range(12))) == paths(np.random.default_rng(0).permutation(12).tolist())
