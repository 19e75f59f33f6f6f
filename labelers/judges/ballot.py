"""Who voted for what: the opinions of several judges as one array, and how far they agree."""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from labelers.judges.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha, percent_agreement
from labelers.judges.choosing import PAIR
from labelers.judges.families import same_family

MEMBER = ["judge", "template_hash"]
SIDES = ("A", "B", "tie")
A, B, TIE = range(3)


class Ballot(NamedTuple):
    """Who voted for what."""

    pairs: pl.DataFrame  # PAIR, sorted
    judges: list[tuple[str, str]]  # (judge, template_hash), sorted
    counts: NDArray[np.int64]  # (pairs, judges, SIDES): 0 or 1

    @staticmethod
    def of(agreed: pl.DataFrame) -> Ballot:
        agreed = agreed.with_columns(pl.col("template_hash").fill_null(""))  # preferences that scores imply
        pairs = agreed.select(PAIR).unique().sort(PAIR)
        judges = agreed.select(MEMBER).unique().sort(MEMBER)
        vote = pl.when(pl.col("rejected") == "tie").then(pl.lit("tie")).otherwise(pl.col("preference"))
        cast = (
            agreed.with_columns(side=vote.replace_strict(SIDES, range(3), return_dtype=pl.Int64))
            .drop_nulls("side")
            .join(pairs.with_row_index("pair"), on=PAIR)
            .join(judges.with_row_index("member"), on=MEMBER)
        )
        counts = np.zeros((pairs.height, judges.height, len(SIDES)), dtype=np.int64)
        counts[cast["pair"].to_numpy(), cast["member"].to_numpy(), cast["side"].to_numpy()] = 1
        return Ballot(pairs, list(judges.iter_rows()), counts)

    @property
    def names(self) -> list[str]:
        """Of the judges; with the beginning of the template's hash where one model judged under several."""
        models = [judge for judge, _ in self.judges]
        return [j if models.count(j) == 1 else f"{j} ({template[:6]})" for j, template in self.judges]

    def related(self) -> int:
        """Judges that have a relative on the panel, as far as names tell."""
        models = [judge for judge, _ in self.judges]
        return sum(
            any(same_family(judge, other) for j, other in enumerate(models) if j != i)
            for i, judge in enumerate(models)
        )

    def units(self) -> list[list[str | None]]:
        """A row a pair, a column a judge; None: no opinion."""
        side = np.where(self.counts.any(axis=2), self.counts.argmax(axis=2), -1)
        return [[SIDES[s] if s >= 0 else None for s in row] for row in side.tolist()]


def agreement_facts(agreed: pl.DataFrame) -> dict[str, Any]:
    """How far the judges of the CONSENSUS rows agree on A, B or tie; null where it is undefined.

    Fleiss' kappa is over the pairs of which every judge has an opinion, the rest over all that two judges
    share.
    """
    ballot = Ballot.of(agreed)
    units = ballot.units()
    full = ballot.counts[ballot.counts.sum(axis=(1, 2)) == len(ballot.judges)].sum(axis=1)
    facts = {
        "percent_agreement": percent_agreement(units),
        "fleiss_kappa": fleiss_kappa(full) if len(ballot.judges) > 1 else None,
        "krippendorff_alpha": krippendorff_alpha(units),
    }
    columns = list(zip(*units, strict=True)) if units else [()] * len(ballot.judges)
    for i, j in combinations(range(len(ballot.judges)), 2):
        facts[f"cohen_kappa: {ballot.names[i]} / {ballot.names[j]}"] = cohen_kappa(columns[i], columns[j])
    return facts
