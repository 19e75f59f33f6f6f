"""The verifiers that come with the package, in the shape the registry wants: many rows in, verdicts out.

Each has `verify(rows, options, settings)` and `check(reference, options, settings)`, which raises for a
reference that it will not be able to read, before anything is spent on completions. What a verifier needs is
imported when it is first used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from verifiers.verdict import BadReference, Reference, Row, Settings, Verdict

if TYPE_CHECKING:
    from verifiers.code import Tests
    from verifiers.instructions import Instruction

Field = Literal["answer", "constraints", "tests", "schema", "choices"]


@dataclass(frozen=True)
class NoOptions:
    pass


@dataclass(frozen=True)
class ChoiceOptions:
    letters: str = "ABCD"  # where a row names no choices of its own


@dataclass(frozen=True)
class InstructionOptions:
    mode: Literal["fixed", "upstream"] = "fixed"
    strict: bool = True


@dataclass(frozen=True)
class CodeOptions:
    """Limits of `verifiers.execution.sandbox`."""

    seconds: float = 4.0
    deadline: float = 20.0
    memory_mb: int = 1024
    processes: int = 16
    file_mb: int = 16
    output_kb: int = 1024


@dataclass(frozen=True)
class SchemaOptions:
    schema: dict[str, Any] | None = None  # for rows without one of their own

    def __post_init__(self) -> None:
        from verifiers.json_schema import check_schema

        if self.schema is not None:
            check_schema(json.dumps(self.schema))


@dataclass(frozen=True)
class PatternOptions:
    pattern: str
    full: bool = False
    ignore_case: bool = False
    target: Literal["text", "answer"] = "text"

    def __post_init__(self) -> None:
        from verifiers.pattern import compile_pattern

        compile_pattern(self.pattern, self.ignore_case)


@dataclass(frozen=True)
class LengthOptions:
    unit: Literal["words", "characters", "sentences"] = "words"
    min: int | None = None
    max: int | None = None

    def __post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is larger than max {self.max}")


def _math(rows: Sequence[Row], options: NoOptions, settings: Settings) -> list[Verdict]:
    from verifiers.math import verify_many

    pairs = [(row.reference.answer, row.text) for row in rows]
    cut = [row.truncated for row in rows]
    return verify_many(
        pairs, settings.policy, truncated=cut, workers=settings.workers, deadline=settings.deadline
    )


def _choice(rows: Sequence[Row], options: ChoiceOptions, settings: Settings) -> list[Verdict]:
    from verifiers.choice import verify

    verdicts = []
    for row in rows:
        choices = row.reference.choices or options.letters
        verdicts.append(verify(row.reference.answer or "", choices, row.text, truncated=row.truncated))
    return verdicts


def _check_choice(reference: Reference, options: ChoiceOptions, settings: Settings) -> None:
    from verifiers.choice import gold_letter, read_choices

    gold_letter(reference.answer or "", read_choices(reference.choices or options.letters))


@lru_cache(4096)
def _instructions_of(constraints: str) -> list[Instruction]:
    from verifiers.instructions.constraints import constraints_from_json

    return constraints_from_json(constraints)


def _instructions(rows: Sequence[Row], options: InstructionOptions, settings: Settings) -> list[Verdict]:
    from verifiers.extraction import final_words
    from verifiers.instructions.scoring import followed

    verdicts = []
    for row in rows:
        said = None if row.truncated else final_words(row.text)
        if said is None:
            verdicts.append(Verdict("no_answer"))
            continue
        asked = _instructions_of(row.reference.constraints or "[]")
        kept = followed(asked, said, prompt=row.reference.prompt, mode=options.mode, strict=options.strict)
        status: Literal["correct", "incorrect"] = "correct" if all(kept) else "incorrect"
        verdicts.append(Verdict(status, json.dumps(kept), "constraints"))
    return verdicts


def _check_instructions(reference: Reference, options: InstructionOptions, settings: Settings) -> None:
    from verifiers.instructions.constraints import BadConstraints

    try:
        _instructions_of(reference.constraints or "[]")
    except BadConstraints as error:
        raise BadReference(str(error)) from error


@lru_cache(1024)
def _tests_of(tests: str) -> Tests:
    from verifiers.code import read_tests

    return read_tests(tests)


def _code(rows: Sequence[Row], options: CodeOptions, settings: Settings) -> list[Verdict]:
    from verifiers.code import Limits, verify_many

    asked = [
        (_tests_of(row.reference.tests or "[]"), row.text, row.reference.prompt, row.truncated)
        for row in rows
    ]
    return verify_many(
        asked,
        Limits(**asdict(options)),
        workers=settings.workers,
        allow_code_execution=settings.allow_code_execution,
    )


def _check_code(reference: Reference, options: CodeOptions, settings: Settings) -> None:
    from verifiers.code import require_permission

    require_permission(settings.allow_code_execution)
    _tests_of(reference.tests or "[]")


def _schema_of(reference: Reference, options: SchemaOptions) -> str:
    if reference.schema is None and options.schema is None:
        raise BadReference("json-schema: neither the row nor the options have a schema")
    return reference.schema or json.dumps(options.schema)


def _json_schema(rows: Sequence[Row], options: SchemaOptions, settings: Settings) -> list[Verdict]:
    from verifiers.json_schema import verify_rows

    return verify_rows([(row, _schema_of(row.reference, options)) for row in rows], settings)


def _check_json_schema(reference: Reference, options: SchemaOptions, settings: Settings) -> None:
    from verifiers.json_schema import check_schema

    check_schema(_schema_of(reference, options))


def _regex(rows: Sequence[Row], options: PatternOptions, settings: Settings) -> list[Verdict]:
    from verifiers.pattern import verify_rows

    return verify_rows(rows, **asdict(options), settings=settings)


def _length(rows: Sequence[Row], options: LengthOptions, settings: Settings) -> list[Verdict]:
    from verifiers.length import verify

    return [verify(row.text, options.unit, options.min, options.max, truncated=row.truncated) for row in rows]


def _any_reference(reference: Reference, options: Any, settings: Settings) -> None:
    pass


class BuiltIn(NamedTuple):
    """`needs` are the fields a prompt must have to be judged by it, `without` those it must not have.

    `instead` names options that stand for a field. `default`: applies without being named in a recipe.
    """

    description: str
    example: str
    verify: Callable[[Sequence[Row], Any, Settings], list[Verdict]]
    check: Callable[[Reference, Any, Settings], None] = _any_reference
    options: type = NoOptions
    needs: tuple[Field, ...] = ()
    without: tuple[Field, ...] = ()
    instead: Mapping[str, Field] = MappingProxyType({})
    default: bool = True


BUILT_IN: dict[str, BuiltIn] = {
    "math": BuiltIn(
        "the final answer equals the reference answer: numbers, expressions, sets, units, words",
        "verifiers: [math]",
        _math,
        needs=("answer",),
        without=("choices",),
    ),
    "choice": BuiltIn(
        "the letter or option that is chosen is the answer",
        "verifiers: [{use: choice, options: {letters: ABCDE}}]",
        _choice,
        _check_choice,
        ChoiceOptions,
        needs=("answer", "choices"),
        instead={"letters": "choices"},
    ),
    "instructions": BuiltIn(
        "all constraints of the prompt hold (IFEval, IFBench and training constraints; list: flows verifiers "
        "instructions)",
        "verifiers: [{use: instructions, options: {mode: fixed, strict: true}}]",
        _instructions,
        _check_instructions,
        InstructionOptions,
        needs=("constraints",),
    ),
    "code": BuiltIn(
        "the program passes all tests; runs only with allow_code_execution: true",
        "verifiers: [{use: code, options: {seconds: 4, memory_mb: 1024}}]",
        _code,
        _check_code,
        CodeOptions,
        needs=("tests",),
    ),
    "json-schema": BuiltIn(
        "the JSON in the completion is valid under a schema",
        "verifiers: [{use: json-schema, options: {schema: {type: object, required: [name]}}}]",
        _json_schema,
        _check_json_schema,
        SchemaOptions,
        needs=("schema",),
        instead={"schema": "schema"},
    ),
    "regex": BuiltIn(
        "a pattern matches in the completion or in its answer",
        "verifiers: [{use: regex, options: {pattern: '^Final:', target: text}}]",
        _regex,
        options=PatternOptions,
        default=False,
    ),
    "length": BuiltIn(
        "so many words, characters or sentences",
        "verifiers: [{use: length, options: {unit: words, max: 200}}]",
        _length,
        options=LengthOptions,
        default=False,
    ),
}
