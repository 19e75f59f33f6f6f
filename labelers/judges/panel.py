"""Several judges, one opinion per pair: all of them, most of them, weighted by calibration, or Dawid-Skene.

A judge has one vote on a pair, its consensus of both orders: a side, or a tie. Where its two orders
disagree or could not be read it abstains; nothing is filled in for it.

    agree         every judge of the panel has the same vote
    majority      more than half of the panel, odd in number, has the same vote; those who abstain are in it
    weighted      P(a) = sigmoid(sum_j w_j s_j)   w_j = log-odds of the judge's accuracy on verifiable pairs,
                  s_j = +1 for a, -1 for b, 0 for a tie (naive Bayes for judges that err independently)
    dawid-skene   P(a | votes), the judges' error rates estimated from nothing but their agreement

Which of two texts is called a is arbitrary, so Dawid-Skene sees every pair twice, the second time with the
sides exchanged: the opinion of a pair is then the same whatever its ids are. From two judges it cannot be
told how often each of them errs, hence three at least.

Judges do not err independently: all of them fail on hard pairs, relatives on the same ones, and agreement
then counts for too much. Where a verifier decides MIN_VERIFIED pairs or more, the log-odds of the last two
rules are multiplied by the calibration slope b that fits truth = sigmoid(b log-odds) best (Cox 1958,
Biometrika 45; Platt scaling without an intercept), so that a posterior of .9 is right nine times in ten.
Without verdicts they stay as they are, too sure, and `calibration_slope` is null to say so.

The panel abstains where its posterior is low. Judges that have a relative on the panel are counted
(`related`).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from labelers.judges import dawid_skene, logistic
from labelers.judges.ballot import SIDES, TIE, A, B, Ballot, agreement_facts
from labelers.judges.choosing import PAIR
from labelers.judges.pairwise import CONSENSUS
from labelers.judges.truth import with_truth
from store.errors import InputError
from store.ids import content_id

Combine = Literal["agree", "majority", "weighted", "dawid-skene"]

PANEL = pl.Schema(
    {
        **CONSENSUS,  # `soft_from` votes: the posterior; where judges differ in theirs, all kinds of them
        "posterior": pl.Float64(),  # of the likelier side; under agree and majority its share of the panel
        "n_judges": pl.Int32(),  # that had an opinion
    }
)
MIN_VERIFIED = 50  # pairs; a slope of fewer would be a guess

Floats = NDArray[np.float64]


class Panel(NamedTuple):
    opinions: pl.DataFrame  # PANEL, a row a pair; `judge` is "panel"
    facts: dict[str, Any]


def combine(
    agreed: pl.DataFrame,
    how: Combine,
    *,
    weights: dict[str, float] | None = None,
    verdicts: pl.DataFrame | None = None,
    min_posterior: float = 0.8,
) -> Panel:
    """The panel's opinion of every pair in the CONSENSUS rows of all its judges.

    `weights` (by judge) are for `weighted`; `verdicts`, for the calibration slope, and `min_posterior` for
    it and `dawid-skene`. One model under two templates is two judges. `soft` is P(a preferred) under these
    two rules, and otherwise the mean of what the judges themselves say. Without a preference `rejected` is
    no_opinion, tie, judges_disagree, too_few_votes (equal ones, but others of the panel have none) or
    abstained (unsure). Raises InputError where the panel does not fit the rule.
    """
    ballot = Ballot.of(agreed)
    _check(how, ballot, weights or {})
    facts: dict[str, Any] = {"combine": how, "judges": len(ballot.judges), "related": ballot.related()}
    if how in ("agree", "majority"):
        opinions = _by_count(ballot, 1.0 if how == "agree" else 0.5)
    else:
        log_odds, learned = _dawid_skene(ballot) if how == "dawid-skene" else _weighted(ballot, weights or {})
        slope = _calibration_slope(ballot, log_odds, verdicts)
        chance = _sigmoid(log_odds if slope is None else slope * log_odds)
        opinions = _by_chance(ballot, chance, min_posterior)
        facts |= {"calibration_slope": slope, **learned}
    table = _table(agreed, ballot, opinions, content_id("panel", how, ballot.judges))
    reasons = dict(sorted(table["rejected"].drop_nulls().value_counts().iter_rows()))
    sizes = {"pairs": table.height, "preferences": table.height - table["preference"].null_count()}
    return Panel(table, facts | sizes | {"rejected": reasons} | agreement_facts(agreed))


class _Opinions(NamedTuple):
    """A value a pair."""

    preference: list[str | None]
    rejected: list[str | None]
    posterior: Floats
    soft: Floats | None


def _check(how: Combine, ballot: Ballot, weights: dict[str, float]) -> None:
    n = len(ballot.judges)
    unweighted = sorted({judge for judge, _ in ballot.judges} - weights.keys())
    if how not in get_args(Combine):
        raise ValueError(f"panel: combine {how!r}; one of {', '.join(get_args(Combine))}")
    if how == "majority" and n and n % 2 == 0:
        raise InputError(f"panel: {n} judges can be split in halves; add or leave out one for a majority")
    if how == "weighted" and unweighted:
        raise InputError(f"panel: judge {unweighted[0]} has no weight; calibrate it on verifiable pairs")
    if how == "dawid-skene" and n in (1, 2):
        raise InputError(f"panel: dawid-skene needs at least three judges and there are {n}; use agree")


def _by_count(ballot: Ballot, need: float) -> _Opinions:
    """The vote of at least the share `need` of the panel, and more than half of it."""
    votes = ballot.counts.sum(axis=1)
    most = votes.max(axis=1, initial=0)
    share = most / max(1, len(ballot.judges))
    clear = (share >= need) & (share > 0.5)
    unclear = np.where(most < votes.sum(axis=1), "judges_disagree", "too_few_votes")
    return _decided(votes, votes.argmax(axis=1), clear, unclear, share, None)


def _by_chance(ballot: Ballot, chance: Floats, need: float) -> _Opinions:
    """The likelier side where it is likely enough, `chance` being P(a); a tie where most who voted say so."""
    votes = ballot.counts.sum(axis=1)
    posterior = np.maximum(chance, 1 - chance)
    tied = votes[:, TIE] > votes.sum(axis=1) / 2
    winner = np.where(tied, TIE, np.where(chance >= 0.5, A, B))
    clear = tied | (posterior >= need) & (posterior > 0.5)
    return _decided(votes, winner, clear, np.array("abstained"), posterior, chance)


def _decided(
    votes: NDArray[np.int64],
    winner: NDArray[np.integer],
    clear: NDArray[np.bool_],
    unclear: NDArray[np.str_],
    posterior: Floats,
    soft: Floats | None,
) -> _Opinions:
    nobody = votes.sum(axis=1) == 0
    cases = [nobody, ~clear, winner == TIE]
    rejected = np.select(cases, [np.array("no_opinion"), unclear, np.array("tie")], "").tolist()
    preference = [None if reason else SIDES[w] for reason, w in zip(rejected, winner.tolist(), strict=True)]
    return _Opinions(preference, [reason or None for reason in rejected], posterior, soft)


def _weighted(ballot: Ballot, weights: dict[str, float]) -> tuple[Floats, dict[str, float]]:
    """Log-odds of a for every pair, and the weights by name."""
    w = [weights[judge] for judge, _ in ballot.judges]
    signed = ballot.counts[:, :, A] - ballot.counts[:, :, B]
    return signed @ np.array(w), {f"weight: {name}": x for name, x in zip(ballot.names, w, strict=True)}


def _dawid_skene(ballot: Ballot) -> tuple[Floats, dict[str, float]]:
    """Log-odds of a for every pair, and each judge's estimated accuracy where it prefers a side."""
    exchanged = ballot.counts[:, :, [B, A, TIE]]
    fitted = dawid_skene.fit(np.concatenate([ballot.counts, exchanged]), classes=2)
    right, wrong = fitted.confusion[:, A, A], fitted.confusion[:, A, B]
    share = (right / (right + wrong)).tolist()
    chance = np.maximum(fitted.posterior[: len(ballot.counts)], 1e-12)
    accuracies = {f"accuracy: {name}": p for name, p in zip(ballot.names, share, strict=True)}
    return np.log(chance[:, A] / chance[:, B]), accuracies


def _calibration_slope(ballot: Ballot, log_odds: Floats, verdicts: pl.DataFrame | None) -> float | None:
    """What the log-odds must be multiplied by to be right as often as they say; None without enough truth."""
    if verdicts is None:
        return None
    said = ballot.pairs.with_columns(pl.Series("log_odds", log_odds)).filter(
        ballot.counts.sum(axis=(1, 2)) > 0
    )
    known = with_truth(said, verdicts).sort(PAIR)
    if known.height < MIN_VERIFIED:
        return None
    right = (known["truth"] == "A").to_numpy()
    fitted = logistic.fit(known.select("log_odds").to_numpy(), right, known["prompt_id"].to_numpy())
    return max(0.0, float(fitted.coefficients[0]))


def _sigmoid(x: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(x / 2))


def _table(agreed: pl.DataFrame, ballot: Ballot, opinions: _Opinions, panel_id: str) -> pl.DataFrame:
    """PANEL rows; what the rule does not say is the mean of its judges."""
    kinds = pl.col("soft_from").drop_nulls().unique().sort()
    means = agreed.group_by(PAIR).agg(
        pl.col("soft", "mean_verdict", "position_bias").mean(),
        pl.col("n_judgements").sum(),
        soft_from=pl.when(kinds.len() > 0).then(kinds.str.join("+")),
    )
    decided = ballot.pairs.with_columns(
        judge=pl.lit("panel"),
        template_hash=pl.lit(panel_id),
        preference=pl.Series(opinions.preference, dtype=pl.String),
        rejected=pl.Series(opinions.rejected, dtype=pl.String),
        posterior=pl.Series(opinions.posterior, dtype=pl.Float64),
        n_judges=pl.Series(ballot.counts.sum(axis=(1, 2)), dtype=pl.Int32),
    )
    rows = decided.join(means, on=PAIR, how="left")
    if opinions.soft is not None:
        chance = pl.Series(opinions.soft, dtype=pl.Float64)
        voted = pl.when(pl.col("n_judges") > 0)
        rows = rows.sort(PAIR).with_columns(soft=voted.then(chance), soft_from=voted.then(pl.lit("votes")))
    return rows.select(PANEL.names()).cast(PANEL).sort(PAIR)  # type: ignore[arg-type]
