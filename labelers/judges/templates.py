"""Judge prompts are data: text files with named fields. What a template is for follows from its fields.

    pairwise   {prompt} {a} {b}           which of two completions is better
    ranking    {prompt} {candidates}      which of up to 26 is the best
    rating     {prompt} {completion}      how good one is, on the scale that the template names
    critique   {prompt} {steps}           the first wrong step ({paragraphs}: another word)

Every kind may want a {reference} (the prompt's answer) and a {criterion}: a principle or a rubric, which is a
file too. The scale of a rating is what the judge is told, "from LOW to HIGH", so the two cannot differ.

Substitution is a single pass, so braces and field names inside a candidate stay text; all but the criterion
is untrusted (`labelers.judges.untrusted`). The hash of template and criterion stands with every label.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import ascii_uppercase
from typing import NamedTuple

from labelers.judges.untrusted import Kind, fence_pattern, neutralise
from samplers.policy import MODEL_DIR
from store.errors import InputError
from store.ids import content_id

PROMPTS = Path(__file__).parent / "prompts"
BUILTIN = {path.stem: path for path in sorted(PROMPTS.glob("*.txt"))}
# The embedded policy judges by the words it was trained on, which have no tags around the candidates: it can
# read no other prompt. It only ever judges its own sums; for other text take another template, and model.
BUILTIN["policy"] = MODEL_DIR.parent / "judge_prompt.txt"
CRITERIA = {path.stem: path for path in sorted((PROMPTS / "criteria").glob("*.txt"))}
LETTERS = ascii_uppercase  # names of ranked candidates, in the order in which they are shown

_OWN_FIELDS: dict[Kind, tuple[str, ...]] = {
    "pairwise": ("a", "b"),
    "ranking": ("candidates",),
    "rating": ("completion",),
    "critique": ("steps", "paragraphs"),
}
_SEVERAL = ("candidates", "steps", "paragraphs")  # fields that show more than one text
_FIELD = re.compile(r"\{(prompt|reference|criterion|a|b|candidates|completion|steps|paragraphs)\}")
_TAG = re.compile(r"</?([A-Za-z][\w-]*)>")
_SCALE = re.compile(r"\bfrom (\d+) to (\d+)\b")
_LEVEL = re.compile(r"^(\d+):", re.MULTILINE)
_VERDICT = re.compile(r"\[\[[ABC][ABC<>=]*\]\]")


class Criterion(NamedTuple):
    """What to judge by, in words: a principle, or a rubric whose lines begin with "1:", "2:", and so on."""

    name: str
    text: str


class Scale(NamedTuple):
    low: int
    high: int


@dataclass(frozen=True)
class Template:
    name: str
    text: str
    kind: Kind
    criterion: Criterion | None = None

    @cached_property
    def hash(self) -> str:
        return content_id("judge-template", self.text, *([self.criterion.text] if self.criterion else []))

    @property
    def needs_reference(self) -> bool:
        return "{reference}" in self.text

    @cached_property
    def scale(self) -> Scale:
        """The lowest and the highest rating; of rating templates alone."""
        found = {Scale(int(low), int(high)) for low, high in _SCALE.findall(self.text)}
        if len(found) != 1 or min(found).low >= min(found).high:
            raise InputError(
                f"judge template {self.name}: say once which ratings there are, as in 'from 1 to 10'"
            )
        return found.pop()

    @property
    def five_level(self) -> bool:
        """Does a pairwise template want "much better" told from "better", as Arena-Hard does?"""
        return "[[A>>B]]" in self.text

    def choices(self, n: int = 0) -> tuple[str, ...]:
        """Every reply that is a verdict and nothing else, for `n` candidates or steps."""
        if self.kind == "pairwise":
            return tuple(dict.fromkeys(_VERDICT.findall(self.text)))
        if self.kind == "ranking":
            return tuple(f"[[{letter}]]" for letter in LETTERS[:n])
        if self.kind == "rating":
            return tuple(f"[[{rating}]]" for rating in range(self.scale.low, self.scale.high + 1))
        return tuple(f"\\boxed{{{step}}}" for step in range(-1, n))

    def render(self, **values: str | Sequence[str]) -> str:
        """The text with its fields filled in; `candidates` and `steps` are fenced one by one."""
        return _FIELD.sub(lambda field: self._shown(field[1], values), self.text)

    def _shown(self, field: str, values: dict[str, str | Sequence[str]]) -> str:
        if field == "criterion":
            return self.criterion.text if self.criterion else ""
        if field not in _SEVERAL:
            return self._safe(str(values[field]))
        texts, tag = values[field], field.removesuffix("s")
        marks: Sequence[str | int] = LETTERS if tag == "candidate" else range(len(texts))
        parts = [(f"{tag}_{mark}", text.strip()) for mark, text in zip(marks, texts, strict=False)]
        return "\n\n".join(f"<{name}>\n{self._safe(text)}\n</{name}>" for name, text in parts)

    def _safe(self, text: str) -> str:
        return neutralise(text, self.kind, self._fence)

    @cached_property
    def _fence(self) -> re.Pattern[str]:
        return fence_pattern(set(_TAG.findall(self.text)))


def load_template(
    name: str | Path, kind: Kind | None = None, criterion: str | Path | None = None
) -> Template:
    """A template by the name of a builtin one or by the path of a file, of that kind, with its criterion."""
    path = BUILTIN.get(str(name), Path(name))
    if not path.is_file():
        raise InputError(f"judge template {str(name)!r}: no such file, and not one of {', '.join(BUILTIN)}")
    text = path.read_text(encoding="utf-8").strip()
    form = Template(path.stem, text, _kind_of(path, text), load_criterion(criterion) if criterion else None)
    if kind and form.kind != kind:
        fitting = [known for known, file in BUILTIN.items() if _kind_of(file, file.read_text()) == kind]
        raise InputError(
            f"judge template {name} is a {form.kind} template where a {kind} one is needed: "
            f"{', '.join(fitting)}, or a file with {_fields(kind)}"
        )
    _check_criterion(form)
    if form.kind == "rating":
        _check_scale(form)
    return form


def load_criterion(name: str | Path) -> Criterion:
    """A criterion by the name of a builtin one or by the path of a file."""
    path = CRITERIA.get(str(name), Path(name))
    if not path.is_file():
        raise InputError(f"judge criterion {str(name)!r}: no such file, and not one of {', '.join(CRITERIA)}")
    return Criterion(path.stem, path.read_text(encoding="utf-8").strip())


def _kind_of(path: Path, text: str) -> Kind:
    fields = set(_FIELD.findall(text))
    kinds = [kind for kind, own in _OWN_FIELDS.items() if fields.intersection(own)]
    if len(kinds) != 1:
        raise InputError(
            f"judge template {path.name}: write the fields of one kind of judging: "
            + ", or ".join(_fields(kind) for kind in _OWN_FIELDS)
        )
    needed = {"prompt", *(_OWN_FIELDS[kinds[0]] if kinds[0] == "pairwise" else ())}
    if missing := sorted(needed - fields):
        raise InputError(f"judge template {path.name}: add the placeholder {{{missing[0]}}}")
    return kinds[0]


def _fields(kind: Kind) -> str:
    own = _OWN_FIELDS[kind] if kind == "pairwise" else _OWN_FIELDS[kind][:1]
    return " ".join(f"{{{field}}}" for field in ("prompt", *own))


def _check_criterion(form: Template) -> None:
    """A criterion is there if and only if the template has a place for it."""
    wanted = "{criterion}" in form.text
    if wanted and not form.criterion:
        raise InputError(
            f"judge template {form.name} wants a criterion: one of {', '.join(CRITERIA)}, or a file"
        )
    if form.criterion and not wanted:
        raise InputError(
            f"judge template {form.name} has no {{criterion}}, so {form.criterion.name} would be ignored"
        )


def _check_scale(form: Template) -> None:
    """A rubric for other ratings than the template asks for: the judge could not follow both."""
    scale = form.scale
    levels = [int(level) for level in _LEVEL.findall(form.criterion.text)] if form.criterion else []
    if form.criterion and levels and (min(levels), max(levels)) != scale:
        raise InputError(
            f"criterion {form.criterion.name} has levels {min(levels)} to {max(levels)}, "
            f"template {form.name} rates from {scale.low} to {scale.high}: use the same scale"
        )
