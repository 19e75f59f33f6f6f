"""What a scan says in tables: a row per match with what to do about it, and totals per eval set.

A prompt that repeats an eval text is dropped, and with it every row of its group. An answer or a completion
that does says something about the sampler, and often is a common phrase: it warns, unless asked to drop.
A twin, the same template with other numbers, leaks where sets are written by hand and says nothing where they
are made from templates: the policy decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import polars as pl

from curation.decontamination.matches import MATCHES
from curation.decontamination.rules import PRESETS, Rule
from curation.decontamination.scan import Scanner
from curation.eval_sets import EvalSet

ACTIONS = ("drop", "warn", "unknown")  # unknown: a judge could not say
Role = Literal["prompt", "answer", "completion"]

_HEAD: dict[str, Any] = {"row_id": pl.String, "prompt_id": pl.String, "field": pl.String}
_FOUND = {name: dtype for name, dtype in MATCHES.items() if name != "row"}
_AT = list(_FOUND).index("rule") + 1
_NAMES = [*list(_FOUND)[:_AT], "rule_hash", *list(_FOUND)[_AT:], "action"]
_TAIL: dict[str, Any] = {"rule_hash": pl.String(), "action": pl.Enum(ACTIONS)}
# Where an eval set repeats a text, the report names only the 10 lowest of its rows (`catalog.NAMED`) for each
# of our texts; the totals count them all.
REPORT = pl.Schema(_HEAD | {name: (_FOUND | _TAIL)[name] for name in _NAMES})

_TOTALS: dict[str, Any] = {
    "eval_set": pl.String,
    "source": pl.String,
    "config": pl.String,
    "split": pl.String,
    "revision": pl.String,
    "rows": pl.Int64,
    "indexable": pl.Int64,  # rows the n-gram rule can see; the rest are compared whole only
    "too_short": pl.Int64,  # of the rest, those with fewer words than an n-gram
    "hit": pl.Int64,  # eval rows that some prompt of ours repeats
    "percent_hit": pl.Float64,
    "twins": pl.Int64,  # eval rows that some prompt repeats but for its numbers
    "prompts_dropped": pl.Int64,
    "completions_warned": pl.Int64,
    "sha256": pl.String,  # of the set's folded texts: what exactly was compared against
}
TOTALS = pl.Schema(_TOTALS)
_Key = tuple[str, str | None, str | None]  # name, config, split


class Settings(NamedTuple):
    rule: Rule = PRESETS["default"]
    twins: Literal["drop", "warn", "off"] = "drop"  # off: numbers are compared as they stand
    completions: Literal["drop", "warn", "off"] = "warn"
    answers: Literal["drop", "warn", "off"] = "warn"

    def scanner(self, eval_sets: Sequence[EvalSet]) -> Scanner:
        rule = replace(self.rule, masked=False) if self.twins == "off" else self.rule
        return Scanner(eval_sets, rule)

    def policy(self, role: Role) -> str:
        return {"prompt": "drop", "answer": self.answers, "completion": self.completions}[role]


class Decontamination(NamedTuple):
    report: pl.DataFrame  # REPORT
    totals: pl.DataFrame  # TOTALS
    dropped: list[str]  # ids, sorted: of prompts, or of completions where only those were scanned


def report_rows(
    found: pl.DataFrame, rule_hash: str, settings: Settings, role: Role, field: str
) -> pl.DataFrame:
    """MATCHES as rows of a report: `row` stays, row_id and prompt_id are for the caller to add."""
    twins = pl.col("numbers_differ") & pl.lit(settings.twins == "warn")
    action = pl.when(twins).then(pl.lit("warn")).otherwise(pl.lit(settings.policy(role)))
    return found.with_columns(
        field=pl.lit(field), rule_hash=pl.lit(rule_hash), action=action.cast(REPORT["action"])
    )


class Tally:
    """TOTALS of a report that comes in pieces; no row of ours is in two of them."""

    def __init__(self, roles: Mapping[str, Role]) -> None:
        self.roles = dict(roles)
        self._hit: dict[_Key, set[tuple[str, str]]] = {}  # (row, field) of what the report names
        self._any: dict[_Key, set[tuple[str, str]]] = {}
        self._dropped: Counter[_Key] = Counter()
        self._warned: Counter[_Key] = Counter()

    def add(self, report: pl.DataFrame) -> None:
        role = pl.col("field").replace_strict(self.roles, return_dtype=pl.String)
        of_prompts, dropped = role == "prompt", (role != "completion") & (pl.col("action") == "drop")
        named = pl.struct("eval_row", "eval_field")
        counts = report.group_by("eval_set", "eval_config", "eval_split").agg(
            named.filter(of_prompts & ~pl.col("numbers_differ")).unique().alias("hit"),
            named.filter(of_prompts).unique().alias("any"),
            pl.col("row_id").filter(dropped).n_unique().alias("dropped"),
            pl.col("row_id").filter(role == "completion").n_unique().alias("warned"),
        )
        for *key, hit, found, n_dropped, n_warned in counts.iter_rows():
            self._hit.setdefault(tuple(key), set()).update(tuple(one.values()) for one in hit)
            self._any.setdefault(tuple(key), set()).update(tuple(one.values()) for one in found)
            self._dropped[tuple(key)] += n_dropped
            self._warned[tuple(key)] += n_warned

    def totals(self, scanner: Scanner) -> pl.DataFrame:
        """`scanner`: knows all rows that have the text of one that is named."""
        rows = []
        indexed_sets = zip(scanner.eval_sets, scanner.totals().to_dicts(), strict=True)
        for number, (eval_set, indexed) in enumerate(indexed_sets):
            key = (eval_set.name, eval_set.config, eval_set.split)
            hit, found = (
                len(scanner.catalog.rows_with_texts_of(number, named.get(key, set()), scanner.index.text_of))
                for named in (self._hit, self._any)
            )
            rows.append(
                {
                    **indexed,
                    "source": eval_set.source,
                    "config": eval_set.config,
                    "split": eval_set.split,
                    "revision": eval_set.revision,
                    "hit": hit,
                    "percent_hit": 100 * hit / max(1, eval_set.n_rows),
                    "twins": found - hit,
                    "prompts_dropped": self._dropped[key],
                    "completions_warned": self._warned[key],
                    "sha256": eval_set.fingerprint,
                }
            )
        return pl.DataFrame(rows, schema=TOTALS).sort("eval_set", "config", "split")
