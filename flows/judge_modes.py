"""What the three modes of the judge stage ask about, and what they conclude from the replies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import polars as pl

from flows.recipe import JudgeStage
from labelers.judges import choosing, pairwise, panel, ranking, rating
from labelers.judges.asking import counts, tally
from labelers.judges.bias import bias_report, preference_bias
from labelers.judges.calibration import calibrate, calibrate_agreed, weight
from labelers.judges.scores import implied, mean_scores
from labelers.proportions import rate
from labelers.selection import choose_solutions
from samplers.engine import Engine, Sampling
from store.accounting import Account
from store.ledger import Ledger
from store.tables import JUDGEMENTS, RANKINGS, RATINGS

Facts = dict[str, Any]
SCORES_FILE = "tables/judge_scores.parquet"


class Labels(NamedTuple):
    table: pl.DataFrame
    account: Account
    together: Facts  # of a panel as a whole; empty for one judge


@dataclass(frozen=True)
class Mode(ABC):
    """One way to ask judges about `completions` of `prompts`, some of which have `verdicts`."""

    replies_file: ClassVar[str]
    labels_file: ClassVar[str]
    replies: ClassVar[pl.Schema]
    column: ClassVar[str]  # of the replies, null or unparsed where one could not be read
    logprobs: ClassVar[str]  # of the replies, null where log-probabilities do not speak for the judge

    config: JudgeStage
    prompts: pl.DataFrame
    completions: pl.DataFrame
    verdicts: pl.DataFrame
    seed: int

    @property
    def sampling(self) -> Sampling:
        config = self.config
        return Sampling(config.temperature, max_tokens=config.max_tokens, logprobs=config.logprobs)

    @property
    def asked(self) -> Facts:
        """What all modes pass on alike."""
        return {"samples": self.config.samples, "structured": self.config.structured}

    @property
    def criterion(self) -> str | None:
        return self.config.criteria[0] if self.config.criteria else None

    def counted(self, replies: pl.DataFrame) -> dict[str, int]:
        return tally(replies, self.column, self.logprobs if self.config.logprobs else None)

    @abstractmethod
    def choose(self) -> pl.DataFrame:
        """What to ask about."""

    @abstractmethod
    def calls(self, chosen: pl.DataFrame) -> int:
        """Questions that one judge is asked."""

    @abstractmethod
    def ask(self, engine: Engine, ledger: Ledger, chosen: pl.DataFrame, **told: Any) -> pl.DataFrame:
        """The replies of one judge."""

    @abstractmethod
    def measure(self, replies: pl.DataFrame) -> Facts:
        """How far one judge can be trusted: {"replies", "calibration", ...}."""

    @abstractmethod
    def conclude(self, replies: pl.DataFrame, judges: dict[str, Facts]) -> Labels:
        """The labels of `judges` (name -> what was measured), out of everyone's replies."""


class Pairwise(Mode):
    replies_file, labels_file = "tables/judgements.parquet", "tables/consensus.parquet"
    replies, column, logprobs = JUDGEMENTS, "verdict", "logprob_a"

    def choose(self) -> pl.DataFrame:
        """Right against wrong where a verifier decides, to calibrate the judge; any two elsewhere."""
        verifiable = pl.col("prompt_id").is_in(self.verdicts["prompt_id"].unique().to_list())
        per_prompt, seed = self.config.pairs_per_prompt, self.seed
        decided, open_ended = self.completions.filter(verifiable), self.completions.filter(~verifiable)
        return pl.concat(
            [
                choosing.choose_pairs(decided, self.verdicts, per_prompt, seed, "right-wrong"),
                choosing.choose_pairs(open_ended, None, per_prompt, seed, "random"),
            ]
        )

    def calls(self, chosen: pl.DataFrame) -> int:
        return 2 * chosen.height * self.config.samples

    def ask(self, engine: Engine, ledger: Ledger, chosen: pl.DataFrame, **told: Any) -> pl.DataFrame:
        return pairwise.judge_pairs(
            engine,
            ledger,
            chosen,
            self.completions,
            self.prompts,
            self.config.template_name,
            self.sampling,
            self.seed,
            criterion=self.criterion,
            **self.asked,
            **told,
        )

    def measure(self, replies: pl.DataFrame) -> Facts:
        return {
            "replies": self.counted(replies),
            "bias": bias_report(replies, self.completions, self.verdicts),
            "calibration": calibrate(replies, self.verdicts),
        }

    def conclude(self, replies: pl.DataFrame, judges: dict[str, Facts]) -> Labels:
        agreed = pairwise.consensus(replies.filter(pl.col("judge").is_in(list(judges))))
        together: Facts = {}
        if len(judges) == 1:
            agreed = (
                agreed.with_columns(posterior=None, n_judges=1).select(panel.PANEL.names()).cast(panel.PANEL)
            )
        else:
            weights = {name: weight(measured["calibration"]) for name, measured in judges.items()}
            agreed, together = panel.combine(
                agreed, self.config.combine, weights=weights, verdicts=self.verdicts
            )
            together["calibration"] = calibrate_agreed(agreed, self.verdicts)
        account = Account("judge", agreed.height)
        for reason, n in sorted(agreed["rejected"].drop_nulls().value_counts().iter_rows()):
            account.reject(reason, n)
        account.keep(int(agreed["preference"].is_not_null().sum()))
        return Labels(agreed, account, together)


class Scoring(Mode):
    """Judges that give every completion a number."""

    labels_file = SCORES_FILE

    @abstractmethod
    def scores(self, replies: pl.DataFrame) -> pl.DataFrame:
        """(prompt_id, completion_id, judge, score, ...)."""

    def measure(self, replies: pl.DataFrame) -> Facts:
        scores = self.scores(replies)
        preferences = implied(scores)
        replied = self.counted(replies)
        asked = replies.filter(attempt=0).height  # a second attempt is the same question
        share = {
            "unparsed": rate(replied["unparsed"] + replied["unanswered"], asked),
            "retried": rate(replied["retried"], asked),
            "ties": rate(int((preferences["rejected"] == "tie").sum()), preferences.height),
        }
        return {
            "replies": replied | {"score_from": counts(scores["score_from"])},
            "bias": share | preference_bias(preferences, self.completions, self.verdicts),
            "calibration": calibrate_agreed(preferences, self.verdicts),
        }

    def conclude(self, replies: pl.DataFrame, judges: dict[str, Facts]) -> Labels:
        scores = self.scores(replies.filter(pl.col("judge").is_in(list(judges))))
        merged, together = mean_scores(scores)
        if together:
            together["calibration"] = calibrate_agreed(implied(merged), self.verdicts)
        account = Account("judge", merged.height)
        account.reject("unread", merged["score"].null_count())
        account.keep(merged.height - merged["score"].null_count())
        return Labels(merged, account, together)


class Ranking(Scoring):
    replies_file, replies = "tables/rankings.parquet", RANKINGS
    column, logprobs = "best", "logprobs"

    def choose(self) -> pl.DataFrame:
        return choosing.choose_groups(self.completions, self.config.candidates, 1, self.seed)

    def calls(self, chosen: pl.DataFrame) -> int:
        return int(chosen["completion_ids"].list.len().sum()) * self.config.samples

    def ask(self, engine: Engine, ledger: Ledger, chosen: pl.DataFrame, **told: Any) -> pl.DataFrame:
        return ranking.rank(
            engine,
            ledger,
            chosen,
            self.completions,
            self.prompts,
            self.config.template_name,
            self.sampling,
            self.seed,
            criterion=self.criterion,
            **self.asked,
            **told,
        )

    def scores(self, replies: pl.DataFrame) -> pl.DataFrame:
        return ranking.scores(replies)

    def measure(self, replies: pl.DataFrame) -> Facts:
        facts = super().measure(replies)
        rates = ranking.wins_by_place(replies)
        facts["bias"]["wins_by_place"] = {
            f"{place} of {len(rates)}": won for place, won in enumerate(rates, 1)
        }
        return facts


class Rating(Scoring):
    replies_file, replies = "tables/ratings.parquet", RATINGS
    column, logprobs = "rating", "expected"

    def choose(self) -> pl.DataFrame:
        return choose_solutions(self.completions, self.config.candidates, None, self.seed)

    def calls(self, chosen: pl.DataFrame) -> int:
        return chosen.height * max(len(self.config.criteria), 1) * self.config.samples

    def ask(self, engine: Engine, ledger: Ledger, chosen: pl.DataFrame, **told: Any) -> pl.DataFrame:
        return rating.rate(
            engine,
            ledger,
            chosen,
            self.prompts,
            self.config.template_name,
            self.sampling,
            self.seed,
            criteria=self.config.criteria,
            **self.asked,
            **told,
        )

    def scores(self, replies: pl.DataFrame) -> pl.DataFrame:
        return rating.scores(replies)


MODES: dict[str, type[Mode]] = {"pairwise": Pairwise, "ranking": Ranking, "rating": Rating}
