"""What is known about the labels of a run, in words and numbers: judges, rollouts, agreement, votes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from data_cards.run import Facts, Run
from data_cards.summary import percent

COUNTED = ("rollouts", "shared", "siblings", "tokens", "prompt_tokens", "undecided", "truncated", "solutions")


class Block(NamedTuple):
    """A small table with a title."""

    title: str
    rows: list[tuple[str, str]]
    note: str = ""


def judge_blocks(run: Run) -> list[Block]:
    """Each judge against the verifier, its biases, and what a panel says together."""
    if not run.judge:
        return []
    judges, panel = run.judge.get("judges") or {}, dict(run.judge.get("panel") or {})
    blocks = []
    for name, facts in sorted(judges.items()):
        whose = f", {name}" if len(judges) > 1 else ""
        gate = (facts.get("gate") or {}).get("reason", "")
        blocks.append(
            Block(f"Judge against the verifier{whose}", rates(facts.get("calibration") or {}), gate)
        )
        blocks.append(Block(f"Judge bias{whose}", rates(facts.get("bias") or {})))
        blocks.append(Block(f"Judge replies{whose}", rates(facts.get("replies") or {})))
    blocks.append(Block("Panel against the verifier", rates(panel.pop("calibration", {}))))
    blocks.append(Block("Panel", rates(panel)))
    return [block for block in blocks if block.rows]


def rollout_blocks(run: Run) -> list[Block]:
    """How steps were labelled and what it took, one block a completer; the critique; the program."""
    blocks = []
    for verb, notes in _notes_by_verb(run, "rollout"):
        which = f", completer {verb.partition('-')[2]}" if "-" in verb else ""
        blocks.append(Block(f"Rollouts{which}", _rollout_rows(notes)))
        checks = [note["checker"] for note in notes if note.get("checker")]
        if checks:
            blocks.append(Block(f"Program {checks[0]['name']}{which}", rates(_summed(checks))))
    for _, notes in _notes_by_verb(run, "search"):
        blocks.append(Block("Tree search", rates(_summed(notes))))
    for _, notes in _notes_by_verb(run, "critique"):
        blocks.append(Block("Critique", rates(_summed(note.get("replies") or {} for note in notes))))
    return [block for block in blocks if block.rows]


def agreement_blocks(run: Run) -> list[Block]:
    """How many solutions all labelers agree on, and what keeping only those does to the classes."""
    report = (run.stages.get("consensus") or {}).get("notes") or {}
    if not report:
        return []
    kept = [("solutions", f"{report['solutions']:,}"), ("kept", f"{report['kept']:,}")]
    kept.append(("retention", percent(report["retention"])))
    for name in ("with_error", "positive_steps"):
        shares = report[name]
        kept.append((_words(name), f"{percent(shares['before'])} before, {percent(shares['after'])} after"))
    kept += [(f"agrees: {who}", percent(share)) for who, share in report["agreement"].items()]
    kept += [(f"dropped: {why}", f"{n:,}") for why, n in report["dropped"].items()]
    return [Block("Solutions on which all labelers find the same first error", kept)]


def vote_blocks(run: Run) -> list[Block]:
    """Pseudo-gold answers against the prompts that have gold, by the margin they are asked for."""
    audit = ((run.stages.get("vote") or {}).get("notes") or {}).get("audit") or {}
    rows = [
        (f"margin ≥ {row['min_margin']:g}", f"{_share(row, 'false_positive_rate')} of {row['n']:,}")
        for row in audit.get("thresholds") or ()
        if row["n"]
    ]
    return [Block("Majority answers that are wrong", rows)] if rows else []


def pair_blocks(run: Run) -> list[Block]:
    """Where the comparisons of the preference set went, and what length tells about its choices."""
    notes = (run.stages.get("build/preference") or {}).get("notes") or {}
    account, gap = notes.get("pairs") or {}, notes.get("length_gap") or {}
    rows = [("comparisons", f"{account['in']:,}"), ("kept", f"{account['out']:,}")] if account else []
    rows += [
        (f"left out: {_words(why)}", f"{n:,}") for why, n in sorted((account.get("rejected") or {}).items())
    ]
    if gap.get("longer_chosen") is not None:
        rows.append(("longer side chosen", percent(gap["longer_chosen"])))
        rows.append(("mean log ratio of lengths", f"{gap['mean_log_ratio']:+.3f}"))
    return [Block("Preference pairs", rows)] if rows else []


def quality_lines(run: Run) -> list[dict[str, Any]]:
    """One row a labeler: where it finds first errors, and its steps against the truth where that is known."""
    return [{"labeler": name} | dict(facts) for name, facts in (run.label_quality or {}).items()]


def rates(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Statistics as (name, value): shares and estimates with their intervals, and plain counts."""
    lines: list[tuple[str, str]] = []
    for name, value in facts.items():
        if not isinstance(value, Mapping):
            lines += [] if value is None else [(name, _plain(value))]
        elif "rate" in value:
            known = value["rate"] is not None
            lines += [(name, f"{_share(value, 'rate')} of {value['n']:,}")] if known else []
        elif "estimate" in value:
            known = value["estimate"] is not None
            lines += [(name, f"{_signed(value)} of {value['n']:,}")] if known else []
        else:
            lines += [(f"{name}: {key}", _plain(n)) for key, n in value.items()]
    return [(_words(name), text) for name, text in lines]


def _rollout_rows(notes: list[Facts]) -> list[tuple[str, str]]:
    strategies = [note["strategy"] for note in notes if note.get("strategy")]
    rows = [("strategy", str(strategies[0]["name"]))] if strategies else []
    repairs = [strategy["repair"] for strategy in strategies if "repair" in strategy]
    if repairs:
        ends = sorted({f"{100 * repair:.2g}" for repair in (min(repairs), max(repairs))})
        rows.append(("calibrated repair rate", " to ".join(ends) + " %"))
    total = _summed({name: note[name] for name in COUNTED if name in note} for note in notes)
    rows += rates(total)
    if total.get("solutions"):
        rows.append(("rollouts a solution", f"{total['rollouts'] / total['solutions']:.1f}"))
    return rows


def _notes_by_verb(run: Run, verb: str) -> list[tuple[str, list[Facts]]]:
    """`rollout` and `rollout-2` with the notes of their shards."""
    found: dict[str, list[Facts]] = {}
    for name, record in run.stages.items():
        whole = name.partition("/")[0]
        if whole == verb or whole.startswith(f"{verb}-"):
            found.setdefault(whole, []).append(record.get("notes") or {})
    return sorted(found.items())


def _summed(parts: Iterable[Facts]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, value in part.items():
            if isinstance(value, int):
                total[name] = total.get(name, 0) + value
    return total


def _share(facts: Facts, name: str) -> str:
    return f"{percent(facts[name])} [{percent(facts['low'])}, {percent(facts['high'])}]"


def _signed(facts: Facts) -> str:
    ends = f" [{facts['low']:+.3f}, {facts['high']:+.3f}]" if facts.get("low") is not None else ""
    return f"{facts['estimate']:+.3f}{ends}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
