"""Which models are relatives, and what that does to a judge that meets its own kind.

A judge may prefer what its own family wrote for the way it is written. Self-preference is measured as the
equal-opportunity difference (Wataoka et al. 2024, arXiv 2410.21819, with the verifier in place of people)
over pairs of one candidate of the judge's family and one of another:

    gap = P(prefers own | own is right) - P(prefers other | other is right)

A family is read from a model's name. A model distilled from one family into another belongs to both; a name
that tells none, as that of a folder may, leaves open who its relatives are.
"""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from labelers.judges.truth import with_truth
from labelers.proportions import difference, rate

# A pattern starts at the beginning of a word of the lower-case name: "claude-3", not "preclaude".
_FAMILIES = {
    "aya": r"aya(?![a-z])",
    "baichuan": r"baichuan",
    "claude": r"claude",
    "cohere": r"command(?![a-z])|c4ai|cohere",
    "dbrx": r"dbrx",
    "deepseek": r"deepseek",
    "embedded": r"embedded$",
    "ernie": r"ernie",
    "exaone": r"exaone",
    "falcon": r"falcon",
    "gemini": r"gemini",
    "gemma": r"gemma|codegemma|shieldgemma|paligemma|medgemma",
    "glm": r"glm|chatglm",
    "gpt": r"gpt-?(?:2|3|4|5|oss)|chatgpt|(?<!-)o[134](?![a-z0-9])|text-davinci|davinci",
    "granite": r"granite",
    "grok": r"grok",
    "hunyuan": r"hunyuan",
    "internlm": r"internlm",
    "jamba": r"jamba",
    "kimi": r"kimi|moonshot",
    "llama": r"llama|codellama|tinyllama|vicuna|alpaca|tulu|selene",
    "minimax": r"minimax",
    "mistral": r"mi[sx]tral|(?:mini|magi|code|dev|pix|math)stral|pixtral|zephyr-7b-(?:alpha|beta)|prometheus",
    "nemotron": r"nemotron",
    "nova": r"nova-(?:micro|lite|pro|premier|2)",
    "olmo": r"olmo",
    "phi": r"phi(?![a-z])",
    "qwen": r"qwen|qwq|qvq",
    "smollm": r"smollm",
    "stablelm": r"stablelm",
    "yi": r"yi(?![a-z])",
}
_PATTERNS = {family: re.compile(rf"(?<![a-z0-9])(?:{names})") for family, names in _FAMILIES.items()}


def families(model: str) -> frozenset[str]:
    """The families that the name tells; that of the organisation where the name itself tells none."""
    parts = model.lower().rstrip("/").split("/")
    for part in reversed(parts[-2:]):
        found = frozenset(family for family, pattern in _PATTERNS.items() if pattern.search(part))
        if found:
            return found
    return frozenset()


def same_family(first: str, second: str) -> bool | None:
    """One model, or two of which the names share a family; None where one of the names tells none."""
    if first == second:
        return True
    mine, yours = families(first), families(second)
    return bool(mine & yours) if mine and yours else None


def self_family(
    agreed: pl.DataFrame, completions: pl.DataFrame, verdicts: pl.DataFrame | None = None
) -> dict[str, Any]:
    """How often one judge met its own family, and whether it favoured it; `agreed` are CONSENSUS rows.

    `own_family` is null without a pair, and where it did not as far as names tell and not all of them do:
    `own_family_unknown` counts such pairs, which are in none of the shares. `own_family_wins` counts the
    preferences between own and other whatever the truth, so it also holds how good the own family is;
    `self_family_gap` does not, and needs `verdicts`.
    """
    pairs = _with_kin(agreed, completions)
    mixed = pairs.filter(pl.col("preference").is_not_null() & (pl.col("own_a") != pl.col("own_b")))
    mixed = mixed.with_columns(own=pl.when("own_a").then(pl.lit("A")).otherwise(pl.lit("B")))
    met = (pairs["own_a"] | pairs["own_b"]).cast(pl.Boolean)  # null: it may have
    unknown, times = met.null_count(), int(met.sum())
    return {
        "own_family": True if times else False if pairs.height and not unknown else None,
        "own_family_judged": rate(times, pairs.height - unknown),
        "own_family_unknown": unknown,
        "own_family_wins": rate(int((mixed["preference"] == mixed["own"]).sum()), mixed.height),
        "self_family_gap": _gap(mixed, verdicts),
    }


def _gap(mixed: pl.DataFrame, verdicts: pl.DataFrame | None) -> dict[str, Any]:
    if verdicts is None:
        return difference(rate(0, 0), rate(0, 0))
    known = with_truth(mixed, verdicts)
    chosen = known["preference"] == known["truth"]
    own_right = known["own"] == known["truth"]
    own, other = (chosen.filter(side) for side in (own_right, ~own_right))
    return difference(rate(int(own.sum()), len(own)), rate(int(other.sum()), len(other)))


def _with_kin(agreed: pl.DataFrame, completions: pl.DataFrame) -> pl.DataFrame:
    """`own_a`, `own_b`: the side was written by a relative of the judge; null where names do not tell."""
    writers = completions.select("completion_id", "model")
    judges, models = agreed["judge"].unique(), writers["model"].unique()
    kin = pl.DataFrame(
        [(judge, model, same_family(judge, model)) for judge in judges for model in models],
        schema={"judge": pl.String, "model": pl.String, "own": pl.Boolean},
        orient="row",
    )
    for side in "ab":
        wrote = writers.rename({"completion_id": f"{side}_id"})
        related = (
            agreed.select("judge", f"{side}_id")
            .unique()
            .join(wrote, on=f"{side}_id")
            .join(kin, on=["judge", "model"])
        )
        related = related.select("judge", f"{side}_id", pl.col("own").alias(f"own_{side}"))
        agreed = agreed.join(related, on=["judge", f"{side}_id"], how="left")
    return agreed
