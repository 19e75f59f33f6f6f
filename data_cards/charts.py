"""Plots as small SVG texts: no plotting library, sharp at any size, the same bytes every time.

Colours are CSS variables with fallbacks, so a chart follows the page's dark mode inside the report and is
readable on its own. Every string that comes from a run is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log2, log10

import numpy as np
from numpy.typing import ArrayLike

INK, MUTED, GRID = "var(--ink, #1c2430)", "var(--muted, #66707f)", "var(--grid, #e3e7ec)"
PALETTE = ("#2f6fde", "#d97a1d", "#12906b", "#8b4fc6", "#c2405f", "#6b7a1d")
FIXED = {"random": "#9aa3af", "majority": "var(--ink, #1c2430)", "oracle": "#b9a15a"}
DASHES = {"random": "2 4", "oracle": "7 4"}
FONT = "ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    name: str
    points: Sequence[Point]


def colour(name: str, names: Sequence[str]) -> str:
    """The same method has the same colour in every chart of a report."""
    if name in FIXED:
        return FIXED[name]
    own = [n for n in names if n not in FIXED]
    return PALETTE[own.index(name) % len(PALETTE)]


def best_of_n_chart(series: Sequence[Series], background: str | None = None) -> str:
    """Accuracy over n (doubling), with interval whiskers and names at the ends of the lines."""
    names = [s.name for s in series]
    axes = _Axes.around(series)
    parts = [f'<rect width="760" height="430" rx="10" fill="{background}"/>'] if background else []
    parts += axes.drawn()
    for i, line in enumerate(series):
        stroke, shift = colour(line.name, names), 3.0 * (i - (len(series) - 1) / 2)
        parts.append(_line(line, [(axes.x(p.x), axes.y(p.y)) for p in line.points], stroke))
        parts += [
            _whisker(axes.x(p.x) + shift, axes.y(p.low), axes.y(p.high), stroke)
            for p in line.points
            if _whiskered(line, p)
        ]
    ends = [(line.name, axes.y(line.points[-1].y)) for line in series]
    for name, y in _spread(ends, 16, axes.top + 6, axes.bottom):
        parts.append(_text(axes.right + 8, y + 4, name, "start", colour(name, names), 600))
    return _svg(760, 430, parts, "Accuracy of best-of-n by method")


@dataclass(frozen=True)
class _Axes:
    """Where n and shares stand in a chart of 760 by 430; n doubles from tick to tick."""

    ns: Sequence[float]
    ticks: Sequence[float]  # per cent
    left: float = 54
    right: float = 628
    top: float = 16
    bottom: float = 384

    @classmethod
    def around(cls, series: Sequence[Series]) -> _Axes:
        shown = [
            y for s in series for p in s.points for y in ((p.low, p.high) if _whiskered(s, p) else (p.y,))
        ]
        ns = sorted({p.x for s in series for p in s.points})
        return cls(ns, _ticks(100 * min(shown), 100 * max(shown)))

    def x(self, n: float) -> float:
        span = log2(self.ns[-1] / self.ns[0]) or 1.0
        return self.left + 12 + (self.right - self.left - 24) * log2(n / self.ns[0]) / span

    def y(self, share: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return self.top + (self.bottom - self.top) * (high - 100 * share) / (high - low)

    def drawn(self) -> list[str]:
        parts = []
        for tick in self.ticks:
            y = self.y(tick / 100)
            parts += [_hline(self.left, self.right, y), _text(self.left - 8, y + 4, f"{tick:g} %", "end")]
        parts += [_text(self.x(n), self.bottom + 20, f"{n:g}", "middle") for n in self.ns]
        middle = (self.left + self.right) / 2
        return [*parts, _text(middle, self.bottom + 38, "n samples to choose from", "middle")]


def _whiskered(line: Series, point: Point) -> bool:
    """Not for the rulers, and not at n = 1, where every method takes the only sample."""
    return line.name not in DASHES and point.x > 1


def histogram(right: ArrayLike, wrong: ArrayLike, title: str, width: int = 372, height: int = 210) -> str:
    """Two densities over the same bins: what right and wrong solutions score."""
    good, bad = np.asarray(right, dtype=float), np.asarray(wrong, dtype=float)
    both = np.concatenate([good, bad])
    low, high = (float(both.min()), float(both.max())) if both.size else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, 25)
    shares = [np.histogram(s, edges)[0] / max(1, s.size) for s in (good, bad)]
    peak = max(float(s.max()) for s in shares) or 1.0
    left, right_, top, bottom = 12, 12, 30, 26
    step = (width - left - right_) / 24

    def outline(share: np.ndarray, name: str) -> str:
        y = [height - bottom - (height - top - bottom) * float(v) / peak for v in share]
        path = f"M{left:.1f} {height - bottom}" + "".join(
            f"V{v:.1f}H{left + (i + 1) * step:.1f}" for i, v in enumerate(y)
        )
        style = f'fill="{name}" fill-opacity=".22" stroke="{name}" stroke-width="1.5"'
        return f'<path d="{path}V{height - bottom}Z" {style}/>'

    parts = [
        _text(left, 18, title, "start", INK, 600),
        _hline(left, width - right_, height - bottom),
        outline(shares[1], "var(--bad, #c8402f)"),
        outline(shares[0], "var(--good, #12906b)"),
        _text(left, height - 8, f"{edges[0]:.2g}", "start"),
        _text(width - right_, height - 8, f"{edges[-1]:.2g}", "end"),
        _text(width - right_, 18, f"{good.size:,} right · {bad.size:,} wrong", "end"),
    ]
    return _svg(width, height, parts, f"Scores of right and wrong solutions, {title}")


def loss_chart(
    title: str,
    trained: Sequence[tuple[float, float]],
    held_out: Sequence[tuple[float, float]],
    kept: float | None,
    width: int = 372,
    height: int = 230,
) -> str:
    """Loss over optimiser steps, in training and on held-out rows; the weights of step `kept` stayed."""
    shown = [loss for _, loss in (*trained, *held_out)]
    ticks = _ticks(min(shown), max(shown), least=1e-3)
    last = max(step for step, _ in (*trained, *held_out))
    left, right, top, bottom = 58.0, width - 14.0, 34.0, height - 26.0

    def at(point: tuple[float, float]) -> tuple[float, float]:
        share = (ticks[-1] - point[1]) / (ticks[-1] - ticks[0])
        return left + (right - left) * point[0] / last, top + (bottom - top) * share

    own, other = PALETTE[0], PALETTE[1]
    parts = [_text(left, 18, title, "start", INK, 600), _text(right, 18, "in training", "end", own)]
    for tick in ticks:
        y = at((0, tick))[1]
        parts += [_hline(left, right, y), _text(left - 6, y + 4, f"{tick:g}", "end")]
    parts += [_text(left, height - 8, "0", "start"), _text(right, height - 8, f"{last:,.0f} steps", "end")]
    parts.append(_path([at(point) for point in trained], own, 1.6))
    parts += [_dot(*at(point), own, 2.8) for point in trained if len(trained) == 1]
    if held_out:
        parts += [
            _text(right - 70, 18, "held out", "end", other),
            _path([at(p) for p in held_out], other, 1.2),
        ]
        parts += [_dot(*at(p), other, 5.0 if p[0] == kept else 2.8) for p in held_out]
    return _svg(width, height, parts, f"Loss over steps, {title}")


def _svg(width: int, height: int, parts: Sequence[str], label: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
    return f'{head}aria-label="{escape(label)}" font-family="{FONT}" font-size="12">{"".join(parts)}</svg>'


def _text(x: float, y: float, text: str, anchor: str, fill: str = MUTED, weight: int = 400) -> str:
    style = f'text-anchor="{anchor}" fill="{fill}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _hline(x0: float, x1: float, y: float) -> str:
    return f'<path d="M{x0:.1f} {y:.1f}H{x1:.1f}" stroke="{GRID}"/>'


def _whisker(x: float, y0: float, y1: float, stroke: str) -> str:
    return f'<path d="M{x:.1f} {y0:.1f}V{y1:.1f}" stroke="{stroke}" stroke-width="1.2" stroke-opacity=".45"/>'


def _line(line: Series, at: Sequence[tuple[float, float]], stroke: str) -> str:
    if line.name in DASHES:
        return _path(at, stroke, 2.2, f' stroke-dasharray="{DASHES[line.name]}"')
    return _path(at, stroke, 2.2) + "".join(_dot(x, y, stroke, 3.2) for x, y in at)


def _path(at: Sequence[tuple[float, float]], stroke: str, width: float, dash: str = "") -> str:
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in at)
    style = f'fill="none" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round"{dash}'
    return f'<path d="{path}" {style}/>'


def _dot(x: float, y: float, fill: str, radius: float) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}"/>'


def _ticks(low: float, high: float, least: float = 1.0) -> list[float]:
    """Round values that enclose low and high, on an axis at least `least` long: one percentage point."""
    span = max(high - low, least)
    unit = 10 ** floor(log10(span))
    step = next(unit * f for f in (0.1, 0.2, 0.5, 1.0, 2.0) if span / (unit * f) <= 7)
    first, last = floor(low / step), ceil(high / step)
    return [round(step * i, 6) for i in range(first, max(last, first + 1) + 1)]


def _spread(
    ends: Sequence[tuple[str, float]], gap: float, top: float, bottom: float
) -> list[tuple[str, float]]:
    """Label heights at least `gap` apart, in the order of their lines, inside the chart."""
    ordered = sorted(ends, key=lambda end: end[1])
    ys = [y for _, y in ordered]
    for i in range(1, len(ys)):
        ys[i] = max(ys[i], ys[i - 1] + gap)
    overflow = max(0.0, (ys[-1] if ys else 0.0) - bottom)
    for i in range(len(ys) - 1, -1, -1):
        limit = bottom if i == len(ys) - 1 else ys[i + 1] - gap
        ys[i] = max(top, min(ys[i], limit)) if overflow else ys[i]
    return [(name, y) for (name, _), y in zip(ordered, ys, strict=True)]
