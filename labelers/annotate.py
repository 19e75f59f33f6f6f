"""What a prompt is about, and whether it is worth answering, as a judge sees it.

The topic is one of a list that the recipe gives, each shown to the judge under a letter; the quality is a
rating from 1 to 5. Each is one call a prompt, read as strictly as any verdict (`labelers.judges.asking`): a
reply that cannot be read is asked for once more and then is no annotation.

They fill two roles in how RewardBench 2 chose its prompts (arXiv 2506.01937): a topic classifier and the
QuRater quality model (arXiv 2402.09739); the criteria here are our own and are about requests, not documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import polars as pl

from labelers.judges.asking import Answer, Question, ask
from labelers.judges.material import as_text
from labelers.judges.rating_parser import parse_rating
from labelers.judges.templates import Criterion, Template
from labelers.judges.verdict_parser import parse_choice
from samplers.cached import Budget, Progress
from samplers.engine import Completion, Engine, Sampling
from store.errors import InputError
from store.ledger import Ledger

PROMPTS = Path(__file__).parent / "prompts"
LETTERS = ascii_uppercase

# A partition of what assistants are asked, by what an answer to it takes.
TOPICS = {
    "mathematics": "calculation, proofs, word problems, statistics",
    "programming": "writing, explaining or mending code, software tools",
    "science and technology": "natural sciences, engineering, how things work",
    "health and medicine": "illness, treatment, nutrition, fitness, mental health",
    "law and society": "law, politics, economics, education, social questions",
    "history and culture": "history, geography, religion, arts, sports, entertainment, facts about people",
    "business and finance": "companies, marketing, money, work",
    "creative writing": "stories, poems, scripts, slogans, invented texts of any kind",
    "editing and translation": "summarise, correct, rephrase, classify or translate a given text",
    "everyday advice": "travel, food, home, shopping, relationships, planning",
    "conversation": "small talk, role play, opinions, questions about the assistant itself",
    "other": "none of these",
}

REPLIES = pl.Schema(
    {
        "call_id": pl.String(),  # ledger key
        "prompt_id": pl.String(),
        "question": pl.String(),  # topic, quality
        "judge": pl.String(),
        "template_hash": pl.String(),
        "attempt": pl.Int32(),  # 1: asked again after an unreadable reply
        "raw": pl.String(),  # null: the engine refused the request
        "said": pl.String(),  # name of the topic, or the rating; null: unparsed
        "seed": pl.Int64(),
    }
)


def topic_template(topics: Mapping[str, str]) -> Template:
    """The question for the topic, `topics` (name: what belongs to it) listed by letter.

    Raises InputError for fewer than two topics, or more than there are letters.
    """
    if not 2 <= len(topics) <= len(LETTERS):
        raise InputError(f"annotate.topics: give 2 to {len(LETTERS)} topics, not {len(topics)}")
    lines = [
        f"{letter}: {name}" + (f" ({about})" if about else "")
        for letter, (name, about) in zip(LETTERS, topics.items(), strict=False)
    ]
    text = (PROMPTS / "topic.txt").read_text(encoding="utf-8").strip()
    return Template("topic", text, "ranking", Criterion("topics", "\n".join(lines)))


def quality_template() -> Template:
    return Template(
        "prompt_quality", (PROMPTS / "prompt_quality.txt").read_text(encoding="utf-8").strip(), "rating"
    )


def ask_topics(
    engine: Engine,
    ledger: Ledger,
    prompts: pl.DataFrame,
    topics: Mapping[str, str],
    sampling: Sampling,
    *,
    structured: bool = False,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """REPLIES about the topic of every prompt (PROMPTS). `structured`: the reply can be nothing but a letter,
    where the engine can see to it."""
    names, letters = list(topics), LETTERS[: len(topics)]

    def read(said: Completion, tag: Any) -> str | None:
        letter = parse_choice(said.text, letters).letter
        return names[letters.index(letter)] if letter else None

    form = topic_template(topics)
    choice = form.choices(len(topics)) if structured else ()
    return _asked("topic", form, choice, read, engine, ledger, prompts, sampling, budget, progress)


def ask_quality(
    engine: Engine,
    ledger: Ledger,
    prompts: pl.DataFrame,
    sampling: Sampling,
    *,
    structured: bool = False,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """REPLIES about the quality of every prompt (PROMPTS): a whole number from 1 to 5."""
    form = quality_template()

    def read(said: Completion, tag: Any) -> str | None:
        rating = parse_rating(said.text, *form.scale).rating
        return str(int(rating)) if rating is not None and rating.is_integer() else None

    choice = form.choices() if structured else ()
    return _asked("quality", form, choice, read, engine, ledger, prompts, sampling, budget, progress)


def readings(replies: pl.DataFrame, question: str) -> dict[str, str]:
    """prompt_id -> what the judge said of it; prompts whose last reply could not be read are not there."""
    last = replies.filter((pl.col("question") == question) & pl.col("said").is_not_null())
    return dict(last.sort("prompt_id", "attempt").select("prompt_id", "said").iter_rows())


def _asked(
    question: str,
    form: Template,
    choice: tuple[str, ...],
    read: Callable[[Completion, Any], str | None],
    engine: Engine,
    ledger: Ledger,
    prompts: pl.DataFrame,
    sampling: Sampling,
    budget: Budget | None,
    progress: Progress | None,
) -> pl.DataFrame:
    shown = prompts.sort("prompt_id").select("prompt_id", "messages").iter_rows()
    questions = [Question(form.render(prompt=as_text(messages)), i, choice) for i, messages in shown]
    answers: list[Answer[str]] = ask(
        engine, ledger, questions, read, sampling, seed=0, budget=budget, progress=progress
    )
    rows = [
        (one.call_id, one.tag, question, engine.model, form.hash, one.attempt, one.raw, one.reading, one.seed)
        for one in answers
    ]
    return pl.DataFrame(rows, schema=REPLIES, orient="row").sort("prompt_id", "attempt")
