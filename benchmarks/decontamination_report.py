"""What the decontamination benchmark has to reach, and its results as Markdown."""

from __future__ import annotations

from typing import Any

Found = dict[str, Any]

CLOCKS = ("scan_cpu_seconds", "scan_seconds")
FASTER = (("Python set of 8-grams, as published (s1, open-r1)", 15), ("datatrove 0.10.1, 12-grams", 300))
CLEAN = ("gsm8k train", "edited gsm8k train", "made up")

# (what, floor of the recall of the default rule)
RECALLS = (
    ("verbatim", 0.999),
    ("case and punctuation", 0.99),
    ("other numbers", 0.97),
    ("other numbers and names", 0.97),
    ("a word inserted after every 8", 0.85),
    ("a word inserted after every 5", 0.85),
    ("12% words inserted", 0.85),
    ("under 8 words, whole", 0.80),
)


def goals(report: Found) -> list[tuple[str, bool, str]]:
    """(goal, reached, number), from the issue that this benchmark belongs to; speeds on both clocks."""
    sides = {side["label"]: side for side in report["sides"]}
    ours = sides["ours, default"]
    found = []
    for label, factor in FASTER:
        if label in sides:
            ratios = [per_row(sides[label], clock) / per_row(ours, clock) for clock in CLOCKS]
            text = f"{ratios[0]:.1f} times by processor, {ratios[1]:.1f} by clock"
            found.append((f"scan at least {factor} times as fast as {label}", min(ratios) >= factor, text))
    files = report["files"]
    if files:
        million = 1_000_000 / files["rows"]
        seconds = files["end_to_end_cpu_seconds"] * million
        found.append(("a million prompts end to end in under 20 CPU-seconds", seconds < 20, f"{seconds:.1f}"))
        found.append(("in under 1 GB", files["peak_mib"] < 1000, f"{files['peak_mib']:.0f} MiB"))
    for edit, floor in RECALLS:
        n, hits = ours["recall"].get(edit, (0, 0))
        if n:
            found.append((f"{edit}: at least {floor:.1%} found", hits / n >= floor, f"{hits / n:.2%} of {n}"))
    n, hits = ours["clean_flagged"]["gsm8k train"]
    found.append(("at most 8 rows of GSM8K train flagged", hits <= 8, f"{hits} of {n}"))
    return found


def per_row(side: Found, seconds: str) -> float:
    return side[seconds] / side["rows"]


def render(report: Found) -> str:
    lines = [
        "# Decontamination",
        "",
        *_corpus(report),
        "",
        "## To reach",
        "",
        *(f"- {'reached' if ok else 'MISSED'}: {goal}: {text}" for goal, ok, text in report["goals"]),
        "",
        *_speed(report["sides"]),
        *_files(report["files"]),
        "",
        *_quality(report["sides"]),
    ]
    return "\n".join(lines) + "\n"


def _corpus(report: Found) -> list[str]:
    corpus, evals = report["corpus"], report["eval_sets"]
    clean = ", ".join(f"{corpus['origins'][name]:,} {name}" for name in CLEAN)
    return [
        f"{report['machine']}, {report['date']}. `python benchmarks/decontamination.py`; one thread, every "
        "side in a process of its own.",
        "",
        f"{corpus['rows']:,} prompts, {corpus['bytes'] / 1e6:.0f} MB, {corpus['words'] / corpus['rows']:.1f} "
        f"words each: {clean}, {corpus['leaks']:,} planted leaks. {evals['sets']} eval sets, "
        f"{evals['rows']:,} rows: {', '.join(evals['published'])}, the rest made up; "
        f"{evals['under_8_words']:.1%} of the eval texts have under 8 words, "
        f"{evals['under_13_words']:.1%} under 13.",
    ]


def _speed(sides: list[Found]) -> list[str]:
    lines = [
        "## Speed",
        "",
        "Scan: texts against a ready index, nothing reported. With report: every match with its eval row, "
        "spans and coverages. A peer stops at the first n-gram that it knows.",
        "",
        "| | prompts | index, CPU-s | scan, CPU-s per million | prompts per CPU-s | scan, s per million "
        "| with report, CPU-s per million | peak MiB, corpus held |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for side in sides:
        cpu, wall = (1e6 * per_row(side, clock) for clock in CLOCKS)
        full = "–"
        if "report_cpu_seconds" in side:
            full = f"{1e6 * per_row(side, 'report_cpu_seconds'):.2f}"
        lines.append(
            f"| {side['label']} | {side['rows']:,} | {side['index_cpu_seconds']:.2f} | {cpu:.2f} "
            f"| {1e6 / cpu:,.0f} | {wall:.2f} | {full} | {side['peak_mib']:.0f} |"
        )
    return lines


def _files(files: Found) -> list[str]:
    if not files:
        return []
    return [
        "",
        "End to end (imports, index, Parquet in, report and clean Parquet out): "
        f"{files['end_to_end_cpu_seconds']:.1f} CPU-s, {files['end_to_end_seconds']:.1f} s, "
        f"{files['peak_mib']:.0f} MiB at the highest; {files['rows'] - files['kept']:,} of "
        f"{files['rows']:,} prompts dropped. The run before it, which may have had to compile: "
        f"{files['first_end_to_end_cpu_seconds']:.1f} CPU-s.",
    ]


def _quality(sides: list[Found]) -> list[str]:
    def line(name: str, cells: list[str]) -> str:
        return f"| {name} | " + " | ".join(cells) + " |"

    lines = [
        "## Planted leaks found, in per cent, and clean prompts flagged",
        "",
        line("", [side["label"] for side in sides]),
        "|---" * (1 + len(sides)) + "|",
    ]
    for edit, (n, _) in sides[0]["recall"].items():
        found = [side["recall"].get(edit, (0, 0)) for side in sides]
        lines.append(line(f"{edit} ({n:,})", [f"{100 * h / n:.1f}" if n else "–" for n, h in found]))
    for origin in CLEAN:
        found = [side["clean_flagged"].get(origin, (0, 0)) for side in sides]
        lines.append(line(f"clean: {origin}", [f"{h:,} of {n:,}" for n, h in found]))
    right = [f"{side['right_row']:.1%}" if "right_row" in side else "–" for side in sides]
    return [*lines, line("leaks found that are tied to their own eval row", right)]
