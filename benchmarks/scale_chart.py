"""Peak memory against rows, one line a verb, both scales logarithmic, as an SVG text."""

from __future__ import annotations

from math import log10

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 610, 20, 370
COLOURS = ("#2f6fde", "#d97a1d", "#12906b", "#8b4fc6", "#c2405f")
FONT = "ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"


def memory_chart(peaks: dict[str, list[tuple[int, float]]]) -> str:
    """`peaks`: (rows, MiB) of each verb, rows ascending."""
    points = [point for line in peaks.values() for point in line]
    rows, mibs = sorted({r for r, _ in points}), [mib for _, mib in points]
    low, high = 64.0, 64.0
    while high < max(mibs):
        high *= 2
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>']
    tick = low
    while tick <= high:
        y = _y(tick, low, high)
        parts += [
            f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#e3e7ec"/>',
            _text(LEFT - 8, y + 4, _size(tick), "end"),
        ]
        tick *= 2
    parts += [_text(_x(r, rows), BOTTOM + 22, f"{r:,}", "middle") for r in rows]
    parts.append(_text((LEFT + RIGHT) / 2, BOTTOM + 42, "rows", "middle"))
    ends = sorted((_y(line[-1][1], low, high), verb) for verb, line in peaks.items())
    labels: dict[str, float] = {}
    for y, verb in ends:
        labels[verb] = max([y, *(placed + 16 for placed in labels.values())])
    for colour, (verb, line) in zip(COLOURS, peaks.items(), strict=False):
        where = [(_x(r, rows), _y(mib, low, high)) for r, mib in line]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in where)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in where]
        parts.append(_text(RIGHT + 10, labels[verb] + 4, verb, "start", colour))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Peak memory against rows" font-family="{FONT}" font-size="13">\n{body}\n</svg>\n'
    )


def _x(rows: int, all_rows: list[int]) -> float:
    span = log10(all_rows[-1] / all_rows[0]) or 1.0
    return LEFT + 20 + (RIGHT - LEFT - 40) * log10(rows / all_rows[0]) / span


def _y(mib: float, low: float, high: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * max(0.0, log10(mib / low)) / (log10(high / low) or 1.0)


def _size(mib: float) -> str:
    return f"{mib:.0f} MiB" if mib < 1024 else f"{mib / 1024:.0f} GiB"


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#66707f") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'
