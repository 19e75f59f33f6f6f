"""ProcessBench: solutions whose first wrong step people marked, and how well our labelers find it.

A row is {id, generator, problem, steps, final_answer_correct, label}: label is the index of the first wrong
step, -1 for none (arXiv 2412.06559, QwenLM/ProcessBench). It has no reference answer, which rollouts need:
that is looked up by the problem's text in files of its source set. The steps are joined by blank lines, and a
row whose steps would not come back from that is left out and counted.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from flows.inputs import dotted, recorded_completion
from flows.recipe import ProcessBenchPrompts, Recipe
from flows.stage import require
from labelers.segment import Split, split_steps
from store.accounting import Account
from store.errors import InputError
from store.ids import content_id
from store.inputs import read_rows
from verifiers.math import extract

JOINT = "\n\n"
SPLIT = Split("blank-line")


class Marked(NamedTuple):
    """One row: a solution and what people said of it."""

    prompt_id: str
    problem: str
    generator: str
    steps: tuple[str, ...]
    first_error: int  # -1: none

    @property
    def text(self) -> str:
        return JOINT.join(self.steps)

    @property
    def is_separable(self) -> bool:
        return [step.strip() for step in split_steps(self.text, SPLIT)] == [s.strip() for s in self.steps]


def marked(source: ProcessBenchPrompts) -> list[Marked]:
    """The rows of the file. Raises InputError naming the row that is not of this form."""
    require(source.path is not None, "name ProcessBench's file: --set prompts.path=gsm8k.json")
    rows = read_rows(str(source.path), required=("problem", "generator", "steps", "label"))
    return [_marked(row, f"{source.path} row {i + 1}") for i, row in enumerate(rows)]


def _marked(row: dict[str, Any], where: str) -> Marked:
    problem, generator, steps, label = (row[name] for name in ("problem", "generator", "steps", "label"))
    if not (isinstance(problem, str) and problem.strip() and isinstance(generator, str)):
        raise InputError(f"{where}: problem and generator must be texts")
    if not (isinstance(steps, list) and steps and all(isinstance(step, str) for step in steps)):
        raise InputError(f"{where}: steps must be a list of texts")
    if type(label) is not int or not -1 <= label < len(steps):
        raise InputError(f"{where}: label must be the index of a step or -1, not {label!r}")
    return Marked(content_id("prompt", _messages(problem)), problem, generator, tuple(steps), label)


def _messages(problem: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": problem}]


def people_say(source: ProcessBenchPrompts, wanted: set[str]) -> dict[str, Marked]:
    """completion_id -> row, of the solutions to `wanted` prompts."""
    return {
        recorded_completion(row.prompt_id, row.generator, 0, row.text)["completion_id"]: row
        for row in marked(source)
        if row.prompt_id in wanted
    }


def prompt_rows(source: ProcessBenchPrompts, recipe: Recipe) -> tuple[list[dict[str, Any]], Account]:
    """PROMPTS rows of the problems that have a reference answer, all for labelling: none is held out."""
    require(
        recipe.split == SPLIT,
        "people marked the paragraphs of these solutions: set rollout.segment: blank-line",
    )
    rows = marked(source)
    account = Account("prompts", len(rows))
    answers = _reference_answers(source)
    kept: dict[str, dict[str, Any]] = {}
    for row in rows:
        answer = answers.get(_key(row.problem))
        if row.prompt_id in kept:
            account.reject("same_problem")
        elif answer is None:
            account.reject("no_reference_answer")
        else:
            kept[row.prompt_id] = _prompt(row, answer, source, recipe)
    require(
        bool(kept), f"{source.path}: no reference answer found; name their files: --set prompts.golds=[FILE]"
    )
    chosen = sorted(kept, key=lambda i: content_id("limit", recipe.seed, i))[: source.limit]
    account.reject("over_limit", len(kept) - len(chosen))
    return [kept[prompt_id] for prompt_id in chosen], account


def _prompt(row: Marked, answer: str, source: ProcessBenchPrompts, recipe: Recipe) -> dict[str, Any]:
    return {
        "prompt_id": row.prompt_id,
        "split": "train",
        "messages": _messages(row.problem),
        "answer": answer,
        "source": Path(str(source.path)).name,
        "domain": source.domain,
        "licence": recipe.licence,
    }


def _reference_answers(source: ProcessBenchPrompts) -> dict[str, str]:
    """Final answers by the text of the question; one that has two different ones has none."""
    found: dict[str, set[str]] = {}
    for path in source.golds:
        for i, row in enumerate(read_rows(path)):
            where = f"{path} row {i + 1}"
            question = str(dotted(row, source.question, where))
            text = str(dotted(row, source.answer, where))
            found.setdefault(_key(question), set()).add(extract(text).text or text.strip())
    return {question: answers.pop() for question, answers in found.items() if len(answers) == 1}


def _key(question: str) -> str:
    """Collections space their questions differently."""
    return " ".join(question.split())


def completion_rows(source: ProcessBenchPrompts, wanted: set[str]) -> tuple[list[dict[str, Any]], Account]:
    """COMPLETIONS rows of the solutions to `wanted` prompts; the model is the one that wrote them."""
    rows = marked(source)
    account = Account("recorded", len(rows))
    kept: dict[str, dict[str, Any]] = {}
    index: Counter[str] = Counter()
    for row in rows:
        completion = recorded_completion(row.prompt_id, row.generator, index[row.prompt_id], row.text)
        if row.prompt_id not in wanted:
            account.reject("prompt_dropped")
        elif not row.is_separable:
            account.reject("steps_not_separable")
        elif completion["completion_id"] in kept:
            account.reject("duplicate")
        else:
            kept[completion["completion_id"]] = completion
            index[row.prompt_id] += 1
    return list(kept.values()), account
