"""JSON in a completion, checked against a JSON schema.

The JSON is the last fenced block that is JSON, else the whole text, else the last object or array that stands
in it. It is strict JSON: no NaN, no comments. Schemas are the recipe author's or the data set's, and are
checked before anything runs; a reference to another document is not fetched. A schema may hold regular
expressions, so the validation of a model's text runs in a worker process that is killed at the deadline.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NoReturn

from verifiers.extraction import final_words
from verifiers.verdict import BadReference, Row, Settings, Verdict
from verifiers.workers.pool import CRASHED, TIMEOUT, shared

MAX_TEXT = 200_000  # characters
MAX_TRIES = 64  # places where a JSON value is looked for

_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
_START = re.compile(r"[{\[]")


def check_schema(schema: str) -> None:
    """Raises BadReference with the place in the schema that is wrong."""
    from jsonschema.exceptions import SchemaError

    try:
        value = json.loads(schema)
    except json.JSONDecodeError as error:
        raise BadReference(f"schema: not JSON ({error.msg}, character {error.pos})") from error
    if not isinstance(value, dict | bool):
        raise BadReference(f"schema: must be an object, not {value!r:.80}")
    try:
        _validator_class(value).check_schema(value)
    except SchemaError as error:
        raise BadReference(f"schema: at {error.json_path}: {error.message}") from error
    own = set(_texts(value, "$id"))
    for reference in _texts(value, "$ref"):
        target = reference.partition("#")[0]
        if "://" in target and target not in own and target not in _registry():
            raise BadReference(
                f"schema: $ref to {target}: other documents are not fetched; put it into $defs"
            )


def _texts(schema: Any, key: str) -> Iterator[str]:
    """What stands at `key`, wherever it occurs."""
    if isinstance(schema, dict):
        if isinstance(schema.get(key), str):
            yield schema[key]
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from _texts(part, key)


def extract_json(text: str) -> str | None:
    """The JSON text that the completion commits to."""
    fenced = [match[1].strip() for match in _FENCE.finditer(text)]
    for candidate in (*reversed(fenced), text.strip()):
        if candidate and _length(candidate) == len(candidate):
            return candidate
    found, position = None, 0
    for _ in range(MAX_TRIES):
        start = _START.search(text, position)
        if start is None:
            break
        length = _length(text[start.start() :])
        found = text[start.start() : start.start() + length] if length else found
        position = start.start() + max(length, 1)
    return found


def verify_rows(rows: Iterable[tuple[Row, str]], settings: Settings) -> list[Verdict]:
    """One verdict for each (row, schema as JSON).

    Text without JSON is wrong; of a text that was cut off nobody knows which JSON would have been its last.
    """
    verdicts: list[Verdict | None] = []
    jobs, places = [], []
    for row, schema in rows:
        verdict, found = _first_look(row)
        if verdict is None:
            jobs.append([schema, found])
            places.append(len(verdicts))
        verdicts.append(verdict)
    pool = shared("verifiers.json_schema:validate_job", max(1, settings.workers))
    for place, job, result in zip(
        places, jobs, pool.run(jobs, settings.deadline) if jobs else [], strict=True
    ):
        failed = {TIMEOUT: "timeout", CRASHED: "limit"}.get(result, result)
        verdicts[place] = Verdict(failed, job[1], "schema")
    return [verdict for verdict in verdicts if verdict is not None]


def validate_job(job: tuple[str, str]) -> str:
    """What a worker runs: the status of a JSON text under a schema."""
    from referencing.exceptions import Unresolvable

    schema, text = job
    try:
        return "correct" if _validator(schema).is_valid(json.loads(text)) else "incorrect"
    except Unresolvable:
        return "gold_unparseable"


def _first_look(row: Row) -> tuple[Verdict | None, str | None]:
    said = None if row.truncated else final_words(row.text)
    if said is None:
        return Verdict("no_answer"), None
    if len(said) > MAX_TEXT:
        return Verdict("limit"), None
    found = extract_json(said)
    if found is None:
        return Verdict("incorrect", None, "schema"), None
    return None, found


def _length(text: str) -> int:
    """How many characters of `text` one JSON value takes from its start; 0 when it is none."""
    try:
        return _DECODER.raw_decode(text)[1]
    except (ValueError, RecursionError):
        return 0


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _validator_class(schema: Any) -> Any:
    from jsonschema.validators import Draft202012Validator, validator_for

    return validator_for(schema, default=Draft202012Validator)


@lru_cache(256)
def _validator(schema: str) -> Any:
    value = json.loads(schema)
    return _validator_class(value)(value, registry=_registry())


def _registry() -> Any:
    """The meta-schemas alone: nothing is fetched."""
    from jsonschema_specifications import REGISTRY

    return REGISTRY
