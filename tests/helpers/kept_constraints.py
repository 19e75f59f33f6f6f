"""Answers that keep constraints: for each instruction that is sampled, ways to edit a text to that end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

from verifiers.instructions.base import Instruction
from verifiers.instructions.constraints import arguments

FILLER = "The old town has many quiet streets and people walk there every day."
# With no word in common, nor with the sentence above.
OTHERS = ("Birds sing.", "My uncle sells red apples.", "Your boat was lost.", "Snow falls on green roofs.")
FOREIGN = {
    "bg": "Старият град има много тихи улици и хората се разхождат там всеки ден.",
    "de": "Die alte Stadt hat viele ruhige Straßen und die Leute gehen dort jeden Tag spazieren.",
    "es": "Esta ciudad vieja tiene muchas calles tranquilas y la gente pasea por allí todos los días.",
    "fi": "Vanhassa kaupungissa on monta hiljaista katua ja ihmiset kävelevät siellä joka päivä.",
    "fr": "La vieille ville a beaucoup de rues calmes et les gens se promènent là chaque jour.",
    "it": "Questa città vecchia ha molte strade tranquille e la gente passeggia lì tutti i giorni.",
    "pl": "Stare miasto ma wiele cichych ulic i ludzie spacerują tam każdego dnia.",
    "pt": "Esta cidade velha tem muitas ruas calmas e as pessoas passeiam por ali todos os dias.",
    "ru": "В старом городе много тихих улиц и люди гуляют там каждый день.",
    "uk": "У старому місті багато тихих вулиць і люди гуляють там щодня.",
    "vi": "Phố cổ có nhiều con đường yên tĩnh và mọi người đi bộ ở đó mỗi ngày.",
}
WITH_ALL_LETTERS = "Our friend is there at one, and no one is near."
NAMES = ("[name]", "[street]", "[city]", "[mail]")
Edit = Callable[[str, dict[str, Any]], Iterator[str]]


def _insert(text: str, *words: str) -> Iterator[str]:
    """The words somewhere in the text, together, in several cases."""
    spaces = [match.start() for match in re.finditer(" ", text)]
    places = {spaces[i] for i in (0, 1, len(spaces) // 2, -2, -1)} if len(spaces) > 2 else set()
    for joined in (" ".join(words), " or ".join(words)):
        for cased in (joined, joined.upper(), joined.title()):
            yield from (f"{text[:at]} {cased}{text[at:]}" for at in sorted(places))
            yield f"{text} {cased}"


def _same(text: str, _: dict[str, Any]) -> Iterator[str]:
    yield text


def _longer(text: str, times: int) -> Iterator[str]:
    yield " ".join([text] * times)
    yield " ".join([text] + [FILLER] * times)


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?])\s+", text)


def _existence(text: str, a: dict[str, Any]) -> Iterator[str]:
    yield from _insert(text, *a["keywords"])


def _frequency(text: str, a: dict[str, Any]) -> Iterator[str]:
    yield from (_insert(text, *[a["keyword"]] * a["frequency"]) if a["relation"] == "at least" else [text])


def _letters(text: str, a: dict[str, Any]) -> Iterator[str]:
    yield from _insert(text, a["letter"] * a["let_frequency"])
    yield " ".join([text, *[WITH_ALL_LETTERS] * a["let_frequency"]])


def _number_sentences(text: str, a: dict[str, Any]) -> Iterator[str]:
    yield from (_longer(text, a["num_sentences"]) if a["relation"] == "at least" else [text])


def _number_words(text: str, a: dict[str, Any]) -> Iterator[str]:
    yield from (_longer(text, a["num_words"] // 6) if a["relation"] == "at least" else [text])


def _letter_counting(text: str, a: dict[str, Any]) -> Iterator[str]:
    yield from (_longer(text, a["N"] // 30) if a["relation"] == "at least" else [text])


def _joined(text: str, between: str, n: int) -> Iterator[str]:
    yield between.join([text] + [FILLER] * (n - 1))
    yield between.join([text] * n)


def _nth_paragraph(text: str, a: dict[str, Any]) -> Iterator[str]:
    for tail in ("", " Birds fly."):
        parts = [text + tail] + [FILLER + tail] * (a["num_paragraphs"] - 1)
        parts[a["nth_paragraph"] - 1] = f"{a['first_word']} {parts[a['nth_paragraph'] - 1]}"
        yield "\n\n".join(parts)


def _keyword_position(text: str, a: dict[str, Any]) -> Iterator[str]:
    keyword = a["keyword"].title() if a["m"] == 1 else a["keyword"]
    for sentence in ("We will go to Rome by bus.", "People like us make huge old maps."):
        words = sentence.split()
        words.insert(a["m"] - 1, keyword)
        yield " ".join([*OTHERS[: a["n"] - 1], " ".join(words), text])


def _sections(text: str, a: dict[str, Any]) -> Iterator[str]:
    parts = [text] + [FILLER] * (a["num_sections"] - 1)
    yield "\n".join(f"{a['section_spliter']} {i}\n{part}" for i, part in enumerate(parts, 1))


def _bullets(text: str, a: dict[str, Any]) -> Iterator[str]:
    items = [f"\n* {i}" for i in range(1, a["num_bullets"] + 1)]
    yield text + "".join(items)
    yield text + "".join(items) + "\n" + FILLER


def _capitals(text: str, a: dict[str, Any]) -> Iterator[str]:
    many = a["capital_relation"] == "at least"
    names = [f"A{'BCDEFGHIJ'[i]}" for i in range(a["capital_frequency"])]
    yield from (_insert(text, *names) if many else [text])


def _composition(text: str, a: dict[str, Any]) -> Iterator[str]:
    words = iter(re.findall(r"[\w']+", text) * 20)
    parts = []
    for _ in range(3):
        sentences = [[next(words) for _ in range(a["n_words"])] for _ in range(a["n_sent"])]
        parts.append(" ".join(" ".join(["Then", *sentence[1:]]) + "." for sentence in sentences))
    yield "\n* * *\n".join(parts)


def _first_of_sentences(text: str, a: dict[str, Any]) -> Iterator[str]:
    for word in (a["first_word"], a["first_word"].upper()):
        yield " ".join(f"{word} {sentence}" for sentence in _sentences(text))


def _last_of_sentences(text: str, a: dict[str, Any]) -> Iterator[str]:
    for word in (a["last_word"], a["last_word"].upper()):
        yield " ".join(f"{sentence.rstrip('.!?')} {word}." for sentence in _sentences(text))


def _first(text: str, a: dict[str, Any]) -> Iterator[str]:
    yield f"{a['first_word']} {text}"
    yield f"{a['first_word']} man said:\n{text}"


def _last(text: str, a: dict[str, Any]) -> Iterator[str]:
    yield f"{text.rstrip('.!?')} {a['last_word']}"
    yield f"{text} My {a['last_word']}"


def _pairs(text: str, a: dict[str, Any]) -> Iterator[str]:
    words = text.split()
    yield " ".join("<<" + " ".join(words[i : i + 2]) + ">>" for i in range(0, len(words), 2))


def _repeat_phrase(text: str, a: dict[str, Any]) -> Iterator[str]:
    first, _, *rest = a["phrase"].split()
    changed = [" ".join([first, new, *rest]) for new in ("odd", "new", "sad")[: a["small_n"]]]
    yield f"{text} {'. '.join(changed)}."
    yield f"{' '.join(changed)} {text}"


EDITS: dict[str, Edit] = {
    "keywords:existence": _existence,
    "keywords:frequency": _frequency,
    "keywords:forbidden_words": _same,
    "keywords:letter_frequency": _letters,
    "language:response_language": lambda text, a: iter([FOREIGN[a["language"]]]),
    "length_constraints:number_sentences": _number_sentences,
    "length_constraints:number_words": _number_words,
    "length_constraints:number_paragraphs": lambda text, a: _joined(text, "\n***\n", a["num_paragraphs"]),
    "length_constraints:nth_paragraph_first_word": _nth_paragraph,
    "detectable_content:number_placeholders": lambda text, a: _insert(text, *NAMES[: a["num_placeholders"]]),
    "detectable_content:postscript": lambda text, a: iter([f"{text}\n{a['postscript_marker']} See you"]),
    "detectable_format:number_bullet_lists": _bullets,
    "detectable_format:number_highlighted_sections": lambda text, a: _insert(
        text, *(f"*{i}{i}*" for i in range(1, a["num_highlights"] + 1))
    ),
    "detectable_format:multiple_sections": _sections,
    "detectable_format:json_format": lambda text, a: iter([json.dumps({"answer": text})]),
    "detectable_format:title": lambda text, a: iter([f"<<Seine>>\n{text}", f"{text} <<Seine>>"]),
    "combination:two_responses": lambda text, a: iter([f"{text}\n******\nWell yes {text}"]),
    "combination:repeat_prompt": lambda text, a: iter([f"{a['prompt_to_repeat']}\n{text}"]),
    "startend:end_checker": lambda text, a: iter([f"{text} {a['end_phrase']}"]),
    "startend:quotation": lambda text, a: iter([f'"{text}"']),
    "change_case:english_capital": lambda text, a: iter([text.upper()]),
    "change_case:english_lowercase": lambda text, a: iter([text.lower()]),
    "change_case:capital_word_frequency": _capitals,
    "punctuation:no_comma": lambda text, a: iter([text.replace(",", "")]),
    "keywords:word_once": lambda text, a: _insert(text, a["keyword"]),
    "keywords:word_count_different_numbers": lambda text, a: _insert(text, *[a["keyword"]] * a["frequency"]),
    "keywords:exclude_word_harder": _same,
    "keywords:no_adjacent_consecutive": _same,
    "keywords:palindrome": lambda text, a: _insert(text, "level"),
    "keywords:keyword_specific_position": _keyword_position,
    "keywords:start_end": lambda text, a: iter([f"Rome {text} Rome", f"Rome:\n{text} Rome"]),
    "letters:letter_counting": _letter_counting,
    "letters:letter_counting2": _letters,
    "paragraphs:paragraphs": lambda text, a: _joined(text, "\n***\n", 2),
    "paragraphs:paragraphs2": lambda text, a: _joined(text, "\n\n", 2),
    "first_word:first_word_sent": _first_of_sentences,
    "first_word:first_word_answer": _first,
    "last_word:last_word_sent": _last_of_sentences,
    "last_word:last_word_answer": _last,
    "detectable_format:bigram_wrapping": _pairs,
    "detectable_format:square_brackets": lambda text, a: iter([re.sub(r"[\w']+", r"[\g<0>]", text)]),
    "detectable_format:sentence_hyphens": lambda text, a: iter(["-".join(_sentences(f"{text} {FILLER}"))]),
    "punctuation:punctuation_dot": lambda text, a: iter([text.replace(".", "")]),
    "punctuation:punctuation_exclamation": lambda text, a: iter([text.replace("!", "")]),
    "count:lowercase_counting": lambda text, a: iter([text.title()]),
    "count:counting_composition": _composition,
    "count:count_unique": _same,
    "count:count_increment_word": lambda text, a: _insert(text, a["keyword1"], a["keyword2"], a["keyword2"]),
    "copy:copy": lambda text, a: iter([a["prompt_to_repeat"]]),
    "copy:copying_simple": lambda text, a: iter([a["prompt_to_repeat"]]),
    "copy:copying_multiple": lambda text, a: iter(["******".join([a["prompt_to_repeat"]] * a["N"])]),
    "copy:repeat_phrase": _repeat_phrase,
}


def answer_keeping(instructions: list[Instruction], prompt: str) -> str | None:
    """A text that follows all of them; None when no order of the edits gives one."""
    for order in permutations(instructions):
        for text in (text for start in (FILLER, OTHERS[1]) for text in _edited(start, order)):
            if all(one.check(text, "fixed", prompt) for one in instructions):
                return text
    return None


def _edited(text: str, order: tuple[Instruction, ...]) -> Iterator[str]:
    if not order:
        yield text
        return
    for changed in EDITS[order[0].id](text, arguments(order[0])):
        yield from _edited(changed, order[1:])
