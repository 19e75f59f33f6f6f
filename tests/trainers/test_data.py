"""Reading labelled sets: what is wrong stops with file and row, what is unusable is counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_models import assistant, sum_rows, user, write_rows

from store.errors import InputError
from trainers import TrainConfig, train
from trainers.config import make_config, read_config
from trainers.data import read_examples

PAIR = {"prompt": user("?"), "chosen": assistant("yes"), "rejected": assistant("no")}
SOLUTION = {"prompt": user("?"), "completion": assistant("yes"), "label": True}
STEPWISE = {"prompt": user("?"), "completions": ["a\n", "b"], "labels": [True, False]}
RANKING = {"prompt": user("?"), "completions": ["a", "b", "c"], "scores": [1.0, 2.0, 2.0]}
RATED = {"prompt": user("?"), "completion": assistant("yes"), "helpful": 4, "verbose": 1.5}


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
        ("bt", PAIR | {"prompt": [None]}, "row 1: prompt must be"),
        ("bt", PAIR | {"chosen": [None]}, "row 1: chosen: must be a list of exactly one assistant"),
        ("prm", STEPWISE | {"confidences": [0.5, -0.1]}, "row 1: confidence 1: -0.1 is not between 0 and 1"),
        ("prm", STEPWISE | {"confidences": [1.5, 1.0]}, "row 1: confidence 0: 1.5 is not between 0 and 1"),
        ("prm", STEPWISE | {"confidences": []}, "row 1: confidences: 0 entries for 2 texts"),
        ("ranking", RANKING | {"scores": [1.0, 2.0, 1e300]}, "row 1: score 2: 1e.300 is not a finite"),
        ("regression", RATED | {"verbose": -1e300}, "row 1: verbose: -1e.300 is not a finite number"),
        ("orm", SOLUTION | {"completion": assistant("")}, "row 1: completion: the completion is empty"),
        ("prm", STEPWISE | {"labels": [True]}, "row 1: labels: 1 entries for 2 texts"),
        ("prm", STEPWISE | {"completions": ["a\n", ""]}, "row 1: completions must be"),
        ("prm", STEPWISE | {"labels": None}, "row 1: labels: 0 entries for 2 texts"),
        ("ranking", RANKING | {"scores": [1.0]}, "row 1: scores: 1 entries for 3 texts"),
        ("ranking", RANKING | {"scores": [1.0, None, 2.0]}, "row 1: score 1: None is not a finite"),
        ("ranking", RANKING | {"scores": [1.0, 2.0, float("inf")]}, "row 1: score 2: inf is not a finite"),
        ("ranking", RANKING | {"completions": ["a", "b", "a"]}, "row 1: the same completion stands twice"),
        ("ranking", RANKING | {"completions": ["a"], "scores": [1.0]}, "row 1: completions must be two"),
        ("ratings", STEPWISE | {"ratings": [2, 0]}, "row 1: step 0: rating 2 is not -1, 0 or 1"),
        ("regression", RATED | {"verbose": float("inf")}, "row 1: verbose: inf is not a finite number"),
        ("regression", RATED | {"completion": []}, "row 1: completion: must be a list of exactly one"),
    ],
)
def test_a_bad_row_is_named_with_its_file(tmp_path: Path, objective: str, row: dict, message: str) -> None:
    good, settings = {
        "bt": (PAIR, config("bt")),
        "ranking": (RANKING, config("bt")),
        "orm": (SOLUTION, config("orm")),
        "prm": (STEPWISE, config("prm")),
        "ratings": (STEPWISE | {"ratings": [1, None]}, config("prm", prm_target="ratings")),
        "regression": (RATED, config("regression", attributes=["helpful", "verbose"])),
    }[objective]
    path = write_rows(tmp_path / "part.parquet", [good, row])
    with pytest.raises(InputError, match=f"part.parquet {message}"):
        read_examples([path], settings)


def test_a_margin_for_a_completion_that_is_not_preferred_is_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "part.parquet", [PAIR | {"soft": 0.5, "margin": 2.0}])
    with pytest.raises(InputError, match="row 0: margin 2.0, but soft 0.5 does not prefer chosen"):
        read_examples([path], config("bt", margin_scale=1.0))
    assert read_examples([path], config("bt"))[0].margin == 0.0  # margins are not asked for


def test_a_negative_or_huge_margin_is_refused_where_margins_are_asked_for(tmp_path: Path) -> None:
    for margin, message in ((-2.0, "margin -2.0 is negative"), (1e300, "margin: 1e.300 is not a finite")):
        path = write_rows(tmp_path / "part.parquet", [PAIR | {"margin": margin}])
        with pytest.raises(InputError, match=f"row 0: {message}"):
            read_examples([path], config("bt", margin_scale=1.0))


@pytest.mark.parametrize(
    ("objective", "row", "message"),
    [
        ("prm", STEPWISE | {"labels": [1, 0]}, "'labels' holds list<.*int64>, not lists of booleans"),
        ("prm", STEPWISE | {"labels": [0.7, 0.2]}, "'labels' holds list<.*double>, not lists of booleans"),
        ("prm", STEPWISE | {"labels": ["+", "-"]}, "'labels' holds list<.*string>, not lists of booleans"),
        ("orm", SOLUTION | {"label": 1}, "'label' holds int64, not booleans"),
        ("bt", PAIR | {"prompt": "?"}, "'prompt' holds string, not lists of messages"),
        ("bt", PAIR | {"chosen": "y"}, "'chosen' holds string, not lists of messages"),
        ("bt", RANKING | {"completions": [assistant("a")]}, "'completions' holds .*, not lists of texts"),
        ("bt", PAIR | {"margin": "3"}, "'margin' holds string, not numbers"),
        ("regression", RATED | {"helpful": "4"}, "'helpful' holds string, not numbers"),
        ("regression", RATED | {"helpful": True}, "'helpful' holds bool, not numbers"),
    ],
)
def test_a_column_of_the_wrong_type_is_refused_and_never_cast(
    tmp_path: Path, objective: str, row: dict, message: str
) -> None:
    path = write_rows(tmp_path / "part.parquet", [row])
    settings = config(objective, attributes=["helpful"] if objective == "regression" else [])
    with pytest.raises(InputError, match=f"part.parquet: column {message}"):
        read_examples([path], settings)


def test_ratings_and_soft_preferences_need_their_own_settings(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "part.parquet", [STEPWISE | {"ratings": [0.5, 1.0]}])
    with pytest.raises(InputError, match="'ratings' holds .*, not lists of whole numbers"):
        read_examples([path], config("prm", prm_target="ratings"))
    path = write_rows(tmp_path / "part.parquet", [PAIR | {"soft": 0.75}])
    with pytest.raises(InputError, match="row 0: soft: 0.75 is no order of the two; use loss: pairs"):
        read_examples([path], config("bt", loss="plackett-luce"))


def test_every_named_attribute_must_be_there(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "part.parquet", [RATED])
    with pytest.raises(InputError, match="column 'honest' is missing for objective 'regression'"):
        read_examples([path], config("regression", attributes=["helpful", "honest"]))


def test_pairs_and_rankings_may_be_read_together(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.parquet", [PAIR])
    write_rows(tmp_path / "b.parquet", [RANKING])
    pair, ranking = read_examples([tmp_path], config("bt"))
    assert (pair.is_ranking, ranking.is_ranking) == (False, True)
    assert ranking.completions == (("a",), ("b",), ("c",)) and ranking.targets == (1.0, 2.0, 2.0)


def test_rows_are_numbered_through_the_whole_file(tmp_path: Path) -> None:
    rows = [SOLUTION] * 2500
    path = write_rows(tmp_path / "part.parquet", [*rows, SOLUTION | {"prompt": []}])
    with pytest.raises(InputError, match="part.parquet row 2500: prompt must be"):
        read_examples([path], config("orm"))
    assert read_examples([write_rows(path, rows)], config("orm"))[-1].where == f"{path} row 2499"


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


def test_rows_without_a_prompt_id_are_grouped_by_their_messages(tmp_path: Path) -> None:
    rows = [
        SOLUTION,
        SOLUTION | {"completion": assistant("no"), "label": False},
        SOLUTION | {"prompt": user("!")},
    ]
    ids = [e.prompt_id for e in read_examples([write_rows(tmp_path / "a.parquet", rows)], config("orm"))]
    assert ids[0] == ids[1] != ids[2]


def test_a_prompt_id_groups_prompts_of_different_words(tmp_path: Path) -> None:
    rows = [SOLUTION | {"prompt_id": "p"}, SOLUTION | {"prompt": user("!"), "prompt_id": "p"}]
    examples = read_examples([write_rows(tmp_path / "a.parquet", rows)], config("orm"))
    assert [e.prompt_id for e in examples] == ["p", "p"]


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder, row in (("a", SOLUTION), ("b", SOLUTION | {"prompt": []})):
        (tmp_path / folder).mkdir()
        write_rows(tmp_path / folder / "train.parquet", [row])
    with pytest.raises(InputError, match="b/train.parquet row 0: prompt"):
        read_examples([tmp_path / "a", tmp_path / "b"], config("orm"))


def test_a_file_damaged_behind_its_header_is_named(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "torn.parquet", [SOLUTION | {"prompt": user(str(i))} for i in range(500)])
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(data)
    with pytest.raises(InputError, match="torn.parquet: not a whole parquet file"):
        read_examples([path], config("orm"))


def test_a_preference_table_may_have_other_columns(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.parquet", [PAIR | {"scores": [1.0, 0.0]}])
    assert not read_examples([path], config("bt"))[0].is_ranking


def test_texts_may_be_categories_and_lists_of_one_length(tmp_path: Path) -> None:
    table = pa.table(
        {
            "prompt": pa.array([user("?")]),
            "prompt_id": pa.array(["p"]).dictionary_encode(),
            "completions": pa.array([["a", "b"]], pa.list_(pa.string(), 2)),
            "labels": pa.array([[True, False]], pa.list_(pa.bool_(), 2)),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    (example,) = read_examples([tmp_path / "a.parquet"], config("prm"))
    assert (example.prompt_id, example.completions, example.targets) == ("p", (("a", "b"),), (1.0, 0.0))


def test_the_stores_own_tables_are_read(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    from store import tables

    for objective, schema in (("bt", tables.PREFERENCE), ("orm", tables.OUTCOME), ("prm", tables.STEPWISE)):
        rows = [{name: row.get(name) for name in schema} for row in sum_rows(objective, 4)]
        polars.DataFrame(rows, schema=schema).write_parquet(tmp_path / f"{objective}.parquet")
        assert len(read_examples([tmp_path / f"{objective}.parquet"], config(objective))) == 4
    row = {name: RANKING.get(name) for name in tables.RANKING}
    polars.DataFrame([row], schema=tables.RANKING).write_parquet(tmp_path / "ranking.parquet")
    assert read_examples([tmp_path / "ranking.parquet"], config("bt"))[0].targets == (1.0, 2.0, 2.0)


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
