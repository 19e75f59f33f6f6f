"""A proportion and how sure one may be of it: Wilson's score interval (1927, J. Am. Stat. Assoc. 22).

The difference of two independent proportions has Newcombe's interval, made of their two Wilson intervals
(1998, Statistics in Medicine 17, 873, method 10):

    low = d - sqrt((p1 - l1)^2 + (u2 - p2)^2)        high = d + sqrt((u1 - p1)^2 + (p2 - l2)^2)
"""

from __future__ import annotations

from math import hypot, sqrt
from typing import Any

Z95 = 1.959964  # standard normal quantile of a two-sided 95 % interval


def wilson(successes: int, n: int, z: float = Z95) -> tuple[float, float]:
    """The score interval; (0, 1) when nothing was seen."""
    if n == 0:
        return 0.0, 1.0
    centre, spread = successes + z * z / 2, z * sqrt(successes * (n - successes) / n + z * z / 4)
    return max(0.0, (centre - spread) / (n + z * z)), min(1.0, (centre + spread) / (n + z * z))


def rate(successes: int, n: int) -> dict[str, Any]:
    """{rate, n, low, high} with the 95 % interval; null instead of a number made of nothing."""
    low, high = wilson(successes, n) if n else (None, None)
    return {"rate": successes / n if n else None, "n": n, "low": low, "high": high}


def difference(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """{estimate, se, n, low, high} of one `rate` less another; null where either has no cases."""
    n = first["n"] + second["n"]
    if not (first["n"] and second["n"]):
        return {"estimate": None, "se": None, "n": n, "low": None, "high": None}
    p, q = first["rate"], second["rate"]
    return {
        "estimate": p - q,
        "se": sqrt(p * (1 - p) / first["n"] + q * (1 - q) / second["n"]),
        "n": n,
        "low": p - q - hypot(p - first["low"], second["high"] - q),
        "high": p - q + hypot(first["high"] - p, q - second["low"]),
    }
