"""trainer.json and trainer.md of the trainer benchmark: one section for each machine and model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trainer_data import SHAPES

from trainers.throughput import PEAK_FLOPS

SHOWN = (
    "row_tokens",
    "attention",
    "compile",
    "checkpointing",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "gradient_checkpointing",
    "torch_compile",
)

# Comparisons or steps a second, as a multiple of the peer's: (of its defaults, of the tuned).
TARGETS: dict[str, dict[str, tuple[float | None, float | None]]] = {
    "cpu": {"b4": (4, 4), "b9": (4, 4), "c'": (3, 3)},
    "cuda": {"a": (3, 1.3), "b4": (8, 4), "b9": (8, 4), "c": (3, 1.5), "c'": (8, 4), "worst": (None, 1)},
}
TARGET_MFU = {"random-1.7b": 0.45, "random-4b": 0.5}
TITLE = "# The trainer beside TRL's\n"
HEAD = (
    "| side | items/s | ours is | in wall time | updates | forwarded | tokens/s | MFU | MiB | accuracy |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)
NOTE = """\
items/s: comparisons or labelled steps trained on in a second; on a CPU of processor time (one thread), which
other load on the machine does not disturb, with the ratio in wall time beside it. `trl` has TRL's defaults,
`trl-tuned` the settings under the table. MiB: peak memory of the GPU, or what training added to the process.
Accuracy: on held-out prompts, by plain padded forward passes. A step takes whole prompts at ours and as many
rows in any order at `trl-tuned`; TRL's default is 8 rows, so more updates from the same data.
"""


def write_report(out: Path, section: dict[str, Any], key: str) -> str:
    """Add `section` to the file, its cases in the place of older ones of the same machine and model; the text
    of its case `key`."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "trainer.json"
    sections = json.loads(path.read_text()) if path.exists() else []
    same = [s for s in sections if (s["model"], s["machine"]) == (section["model"], section["machine"])]
    found = {name: case for s in [*same, section] for name, case in s["cases"].items()}
    cases = {name: found[name] for name in TARGETS["cuda"] if name in found}
    sections = [s for s in sections if s not in same] + [{**section, "cases": cases}]
    path.write_text(json.dumps(sections, indent=1) + "\n")
    (out / "trainer.md").write_text("\n".join([TITLE, NOTE, *map(_section, sections)]) + "\n")
    return _case(section, key)


def _section(section: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in section["versions"].items())
    head = f"## {section['model']} on {section['machine']}, {versions}\n"
    goals = [_line(goal) for key in section["cases"] for goal in _goals(section, key)]
    return "\n".join([head, *goals, "", *(_case(section, key) for key in section["cases"])])


def _line(goal: tuple[str, bool]) -> str:
    return f"- {'reached' if goal[1] else 'MISSED'}: {goal[0]}"


def _goals(section: dict[str, Any], key: str) -> list[tuple[str, bool]]:
    case, found = section["cases"][key], []
    wanted = TARGETS[section["device"]].get(key, (None, None))
    ours = _rate(case, "ours", "seconds")
    # On a CPU both clocks must say so: other load may stretch the wall time of either side.
    clocks = ("seconds", "cpu_seconds") if section["device"] == "cpu" else ("seconds",)
    for side, least in zip(("trl", "trl-tuned"), wanted, strict=True):
        rates = [(_rate(case, "ours", clock), _rate(case, side, clock)) for clock in clocks]
        if least and all(mine and theirs for mine, theirs in rates):
            ratio = min(mine / theirs for mine, theirs in rates if mine and theirs)
            found.append((f"({key}) at least {least:g} times {side}: {ratio:.2f}", ratio >= least))
    mfu, least_mfu = _mfu(section, case, "ours"), TARGET_MFU.get(section["model"])
    if least_mfu and mfu:
        found.append((f"({key}) MFU at least {least_mfu:.0%}: {mfu:.1%}", mfu >= least_mfu))
    if section["model"] == "random-4b" and ours:
        peak = max(run["peak_mib"] for run in case["runs"]["ours"] if "seconds" in run) * 2**20
        found.append((f"({key}) full fine-tuning within 80 GB: {peak / 1e9:.1f} GB", peak < 80e9))
    return found


def _case(section: dict[str, Any], key: str) -> str:
    case = section["cases"][key]
    lines = [
        f"### ({key}) {case['title']}\n",
        f"{case['items']:,} {case['unit']}, {case['real']:,} tokens as separate rows without padding; "
        f"peak rate {case['lr']:g}.\n",
        HEAD,
        *(_row(section, case, side) for side in case["runs"]),
    ]
    for side, runs in case["runs"].items():
        used = {k: v for k, v in runs[0]["settings"].items() if k in SHOWN}
        if used:
            lines.append(f"\n{side}: {', '.join(f'{k} {v}' for k, v in used.items())}.")
    return "\n".join(lines) + "\n"


def _row(section: dict[str, Any], case: dict[str, Any], side: str) -> str:
    good = [run for run in case["runs"][side] if "seconds" in run]
    if not good:
        return f"| {side} | {case['runs'][side][0]['error']} |" + 8 * " |"
    clock = "cpu_seconds" if section["device"] == "cpu" else "seconds"
    rate, mfu = _rate(case, side, clock), _mfu(section, case, side)
    ratios = [_ratio(case, side, of) if side != "ours" else "" for of in (clock, "seconds")]
    per_second = good[0]["forwarded"] / good[0]["steps"] / _step_seconds(case, side, clock)
    rates = [case["items"] / run["steps"] * run["timed_steps"] / run[clock] for run in good]
    spread = f" ({min(rates):,.1f} to {max(rates):,.1f})" if len(rates) > 1 else ""
    return (
        f"| {side} | {rate:,.1f}{spread} | {' | '.join(ratios)} | {good[0]['steps']} | "
        f"{good[0]['forwarded']:,} | {per_second:,.0f} | {f'{mfu:.1%}' if mfu else ''} | "
        f"{max(run['peak_mib'] for run in good):,.0f} | {100 * good[0]['accuracy']:.1f} % |"
    )


def _ratio(case: dict[str, Any], side: str, clock: str) -> str:
    ours, theirs = _rate(case, "ours", clock), _rate(case, side, clock)
    return f"{ours / theirs:.2f}x" if ours and theirs else ""


def _rate(case: dict[str, Any], side: str, clock: str) -> float | None:
    """Items a second behind the warm-up, all runs of the side together."""
    good = [run for run in case["runs"].get(side, []) if clock in run]
    return case["items"] / good[0]["steps"] / _step_seconds(case, side, clock) if good else None


def _step_seconds(case: dict[str, Any], side: str, clock: str) -> float:
    good = [run for run in case["runs"][side] if clock in run]
    return sum(run[clock] for run in good) / sum(run["timed_steps"] for run in good)


def _mfu(section: dict[str, Any], case: dict[str, Any], side: str) -> float | None:
    """Model FLOP utilisation on forwarded tokens, padding counted as work: 6 FLOP a matrix weight and token,
    12 times width of all heads and layer for each token attended to (PaLM, arXiv 2204.02311, appendix B);
    recomputed activations are not counted."""
    peak = next((flops for name, flops in PEAK_FLOPS.items() if name in section["machine"]), None)
    good = [run for run in case["runs"][side] if "seconds" in run]
    if peak is None or not good or "attended" not in good[0]:
        return None
    s = SHAPES[section["model"]]
    width = s["heads"] * s["head"]
    attention = 2 * s["width"] * (width + s["groups"] * s["head"])
    weights = s["layers"] * (attention + 3 * s["width"] * s["inner"])
    flops = 6 * weights * good[0]["forwarded"] + 12 * s["layers"] * width * good[0]["attended"]
    return flops / good[0]["steps"] / _step_seconds(case, side, "seconds") / peak
