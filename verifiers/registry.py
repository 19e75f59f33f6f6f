"""Verifiers by name: the built-in ones, and a user's own function in a Python file.

    bind("math")                                         a built-in id
    bind("length", {"max": 200})                         with options
    bind("checks/units.py:same_unit", {"system": "SI"})  def same_unit(reference, text, options)

A function of the user's gets the reference as a dict, the completion as text and the options as a dict, one
row at a time, and returns a status, True or False, or a `Verdict`. Besides the fields of a `Reference` the
dict has `truncated`: the completion was cut off. It is the user's code: it runs in this process with no
deadline. Its file's hash is part of its identity, so that changed code means new verdicts; the hashes of
modules that it imports are not.
"""

from __future__ import annotations

import difflib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Any

from verifiers.builtin import BUILT_IN, BuiltIn
from verifiers.own import is_own, load_own
from verifiers.verdict import STATUSES, Reference, Row, Settings, Verdict


class BadVerifier(ValueError):
    """No such verifier, options it does not take, or a user's file that cannot be used."""


class VerifierFailed(RuntimeError):
    """A user's function raised, or returned what is no verdict."""


@dataclass(frozen=True)
class Bound:
    """A verifier with its options, and the prompts it is for."""

    name: str
    identity: Mapping[str, Any]  # what its verdicts depend on: id, options, source hash, rows it is for
    options: Mapping[str, Any]  # as given, and the defaults of the others
    needs: tuple[str, ...]
    without: tuple[str, ...]
    domain: str | None
    _verify: Callable[[Sequence[Row], Settings], list[Verdict]]
    _check: Callable[[Reference, Settings], None]

    def applies(self, reference: Reference, domain: str | None = None) -> bool:
        has = reference._asdict()
        return (
            all(has[name] is not None for name in self.needs)
            and all(has[name] is None for name in self.without)
            and self.domain in (None, domain)
        )

    def check(self, reference: Reference, settings: Settings) -> None:
        """Raises BadReference, which says what cannot be read, or CodeExecutionRefused."""
        self._check(reference, settings)

    def verify(self, rows: Sequence[Row], settings: Settings) -> list[Verdict]:
        """One verdict a row, in order. A verifier that does not time its rows gives each an equal share.

        Raises VerifierFailed.
        """
        started = time.monotonic()
        verdicts = self._verify(rows, settings)
        share = (time.monotonic() - started) / max(len(rows), 1)
        timed = any(verdict.seconds for verdict in verdicts)
        return verdicts if timed else [verdict._replace(seconds=share) for verdict in verdicts]


def check_name(use: str) -> None:
    """Raises BadVerifier with the nearest id."""
    if is_own(use) or use in BUILT_IN:
        return
    near = difflib.get_close_matches(use, BUILT_IN, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(BUILT_IN)}"
    raise BadVerifier(f"no verifier {use!r}; {hint}, or name your own function: FILE.py:FUNCTION")


def bind(
    use: str,
    options: Mapping[str, Any] | None = None,
    when: Sequence[str] | None = None,
    domain: str | None = None,
) -> Bound:
    """The verifier for prompts that have all fields of `when` (default: what it reads) and this `domain`.

    Raises BadVerifier.
    """
    check_name(use)
    given = dict(options or {})
    return _bind_own(use, given, when, domain) if is_own(use) else _bind_built_in(use, given, when, domain)


def distinct(verifiers: Iterable[Bound]) -> tuple[Bound, ...]:
    """The same with a name each: those that share one are numbered."""
    given = tuple(verifiers)
    shared, seen = Counter(one.name for one in given), Counter[str]()
    named = []
    for one in given:
        seen[one.name] += 1
        named.append(one if shared[one.name] == 1 else replace(one, name=f"{one.name} {seen[one.name]}"))
    return tuple(named)


@lru_cache(1)
def defaults() -> tuple[Bound, ...]:
    """Every built-in verifier that a field of the prompt calls for."""
    return tuple(bind(use) for use, entry in BUILT_IN.items() if entry.default)


def option_names(use: str) -> list[str]:
    return [option.name for option in fields(BUILT_IN[use].options)]


def _bind_own(use: str, options: dict[str, Any], when: Sequence[str] | None, domain: str | None) -> Bound:
    name, function, source = load_own(use, "verifier", BadVerifier, reference={}, text="", options={})
    return Bound(
        name=name,
        identity={"use": name, "source": source, "options": options} | _scope(when, domain),
        options=options,
        needs=tuple(when or ()),
        without=(),
        domain=domain,
        _verify=lambda rows, settings: [_judge(name, function, row, options) for row in rows],
        _check=lambda reference, settings: None,
    )


def _bind_built_in(
    use: str, options: dict[str, Any], when: Sequence[str] | None, domain: str | None
) -> Bound:
    entry = BUILT_IN[use]
    checked = _options(use, entry, options)
    stated = {entry.instead[option] for option in options if option in entry.instead}
    needs = tuple(name for name in entry.needs if name not in stated)
    return Bound(
        name=use,
        identity={"use": use, "options": options} | _scope(when, domain),
        options=asdict(checked),
        needs=needs if when is None else tuple(when),
        without=entry.without if when is None else (),
        domain=domain,
        _verify=lambda rows, settings: entry.verify(rows, checked, settings),
        _check=lambda reference, settings: entry.check(reference, checked, settings),
    )


def _scope(when: Sequence[str] | None, domain: str | None) -> dict[str, Any]:
    return {"when": None if when is None else sorted(when), "domain": domain}


def _options(use: str, entry: BuiltIn, given: dict[str, Any]) -> Any:
    unknown = sorted(set(given) - set(option_names(use)))
    if unknown:
        takes = ", ".join(option_names(use)) or "none"
        raise BadVerifier(f"verifier {use}: unknown option {unknown[0]!r}; it takes {takes}")
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(entry.options).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise BadVerifier(f"verifier {use}: {place + ': ' if place else ''}{message}") from error


def _judge(name: str, function: Callable[..., Any], row: Row, options: dict[str, Any]) -> Verdict:
    reference = row.reference._asdict() | {"truncated": row.truncated}
    try:
        found = function(reference, row.text, dict(options))
    except (Exception, SystemExit) as error:
        raise VerifierFailed(
            f"verifier {name} raised {type(error).__name__}: {error}; the completion begins {row.text!r:.80}"
        ) from error
    if type(found).__module__ == "numpy" and type(found).__name__ in ("bool", "bool_"):
        found = bool(found)
    if isinstance(found, bool):
        return Verdict("correct" if found else "incorrect", None, name)
    if isinstance(found, str) and found in STATUSES:
        return Verdict(found, None, name)  # type: ignore[arg-type]
    if isinstance(found, Verdict) and found.status in STATUSES:
        return found
    raise VerifierFailed(
        f"verifier {name} returned {found!r:.80}; it must return True, False, one of {', '.join(STATUSES)}, "
        "or a verifiers.verdict.Verdict"
    )
