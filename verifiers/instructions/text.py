"""Splitting a response into words, sentences, paragraphs and lines, each remembered per text.

Published checkers lean on NLTK. Two of its functions decide labels, and both are rules without data, so they
are implemented here and nothing is downloaded:

* `punkt_sentences`: the Punkt sentence splitter (Kiss and Strunk 2006) before any training, that is, with no
  known abbreviations; it reproduces the published IFEval labels.
* `tokens`: Penn Treebank word tokens of each Punkt sentence, as `nltk.word_tokenize`.

`sentences` is what a reader counts; checks use it in `fixed` mode.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

# Several instructions look at one response, and loose checking at eight variants of it.
CACHED_TEXTS = 64

_WORD = re.compile(r"\w+")
_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")


@lru_cache(CACHED_TEXTS)
def words(text: str) -> tuple[str, ...]:
    """Runs of letters, digits and underscores: what the length checks of IFEval count."""
    return tuple(_WORD.findall(text))


@lru_cache(CACHED_TEXTS)
def paragraphs(text: str) -> tuple[str, ...]:
    """The stretches between blank lines, stripped; none of them is empty."""
    return tuple(stripped for part in _BLANK_LINES.split(text) if (stripped := part.strip()))


@lru_cache(CACHED_TEXTS)
def lines(text: str) -> tuple[str, ...]:
    """The lines that are not blank, stripped."""
    return tuple(stripped for line in text.split("\n") if (stripped := line.strip()))


# ---- sentences as a reader counts them

# Each run of marks is tried from its first mark only, so a long run costs its length once.
_END = re.compile(
    r"""(?<![.!?…])(?P<mark>[.!?…]++)["'”’»)\]}*_]*+(?=\s|$)|(?<![。！？।۔؟])(?P<other>[。！？।۔؟]++)["'”’»」』）)]*+"""
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'“‘*_])(?:mr|mrs|ms|dr|prof|sr|jr|st|mt|rev|hon|gen|col|capt|sgt|lt|cmdr|gov|sen|rep|pres"
    r"|e\.g|i\.e|cf|vs|etc|al|ca|approx|inc|ltd|co|corp|dept|univ|no|nos|vol|fig|pp|ed|eds"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|(?:[a-z]\.)*[a-z])\.$",
    re.IGNORECASE,
)
# After these a capital letter starts a new sentence more often than it continues the old one.
_MAY_END = re.compile(r"\b(?:etc|al|inc|ltd|co|corp|jr|sr|[ap]\.m)\.$", re.IGNORECASE)
_AMBIGUOUS = {"no.", "ed.", "i."}  # words as often as abbreviations: they end a sentence before a capital
# The letter is a name of something, not of a person: "plan B." and "be x." may end a sentence, "J." may not.
_LETTER_ALONE = re.compile(
    r"(?:^|[\s(])(?:(?:vitamin|hepatitis|plan|option|choice|answer|part|section|appendix|exhibit|figure|point"
    r"|type|group|team|class|grade|step|case|side|row|column|line|phase|model)\s[A-Z]|(?!v)[a-z])\.$"
)
_LETTERS_WITH_DOTS = re.compile(r"(?:^|[^\w.])(?!(?:e\.g|i\.e)\.$)(?:[A-Za-z]\.)+$")
# Behind initials (U.S. Army, J. Smith) only a word that is no name starts a new sentence.
_STARTS_SENTENCE = re.compile(
    r"(?:The|This|That|These|Those|There|Then|He|She|It|They|We|You|Who|What|When|Where|Why|How|If|In|On|At|As|For"
    r"|From|With|To|But|And|Or|So|Yet|However|Because|Since|After|Before|While|His|Her|Its|Their|Our|My|Your"
    r"|Now|Next|Also|Later|Some|Many|Most|All|Each|Both|Another|Is|Are|Was|Were|Do|Does|Did|Not|Let)\b(?!\.)"
)
_LIST_MARKER = re.compile(r"^[\s>*_#(-]*(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)]$")
_NUMBER_ALONE = re.compile(r"[\s>*_#(-]*\d{1,3}[.)]\**")
_LINE_BREAK = re.compile(r"\n\s*(?=\n|[-*•#>]\s|\d{1,3}[.)]\s)")
_NEAR = 16  # characters before a mark that show whether it belongs to an abbreviation or a list number


def _ends_sentence(before: str, mark: str, following: str) -> bool:
    """Whether the punctuation `mark` that ends `before` closes a sentence when `following` comes next."""
    if mark != ".":
        return not following[:1].islower()
    if _LIST_MARKER.match(before):
        return False
    if _ABBREVIATION.search(before):
        return following[:1].isupper() and _abbreviation_may_end(before, following)
    return not following[:1].islower()


def _abbreviation_may_end(before: str, following: str) -> bool:
    """Whether the abbreviation at the end of `before` can end a sentence, `following` having a capital."""
    if _MAY_END.search(before) or _LETTER_ALONE.search(before) or before.split()[-1].lower() in _AMBIGUOUS:
        return True
    return bool(_LETTERS_WITH_DOTS.search(before) and _STARTS_SENTENCE.match(following))


def _sentences_of_block(block: str, capitals: bool) -> Iterator[str]:
    start = 0
    for end in _END.finditer(block):
        stop = end.end("mark")
        before = block[max(start, stop - _NEAR) : stop].lstrip()
        following = block[end.end() : end.end() + _NEAR].lstrip("\"'“‘«([*_ \t\n")
        if not capitals:  # read as if initials and first words had them
            before, following = before.upper(), following.capitalize()
        if end["other"] or _ends_sentence(before, end["mark"], following):
            yield block[start : end.end()].strip()
            start = end.end()
    yield block[start:].strip()


@lru_cache(CACHED_TEXTS)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences a reader would count.

    Blank lines, headings and list items end a sentence, known abbreviations, initials and list numbers do
    not, and a piece without a letter or a digit (a divider, a bare emoji) is none. A small letter continues a
    sentence unless the text has hardly any capitals.
    """
    # English prose has two to four capitals in a hundred characters.
    capitals = 200 * sum(map(str.isupper, text)) >= len(text)
    return tuple(
        sentence
        for block in _LINE_BREAK.split(text)
        for sentence in _sentences_of_block(block.strip(), capitals)
        if any(map(str.isalnum, sentence)) and not _NUMBER_ALONE.fullmatch(sentence)
    )


# ---- sentences as untrained Punkt splits them

_NON_WORD = r"""[?!)";}\]*:@'({\[]"""
_MANY = r"(?:-{2,}|\.{2,}|(?:\.\s){2,}\.)"
_PUNKT_TOKEN = re.compile(
    rf"""{_MANY}|(?=[^("`{{\[:;&#*@)}}\]\-,])\S+?(?=\s|$|{_NON_WORD}|{_MANY}|,(?=$|\s|{_NON_WORD}|{_MANY}))|\S"""
)
_CANDIDATE = re.compile(rf"[.?!](?=({_NON_WORD}|\s+(\S+)))")
_CLOSING = re.compile(r"""["')\]}]+?(?:\s+|(?=--)|$)""", re.MULTILINE)
_NUMBER = re.compile(r"-?[.,]?\d[\d,.-]*\.?$")
_INITIAL = re.compile(r"[^\W\d]\.$")
_ASCII_SPACE = " \t\n\r\x0b\x0c"


def _punkt_break(token: str, following: str) -> bool:
    if token in ("?", "!", "."):
        return True
    if not token.endswith(".") or token.endswith(".."):
        return False
    initial = _INITIAL.match(token)
    if not initial and not _NUMBER.match(token):
        return True
    if following in (";", ":", ",", ".", "!", "?") or following[0].islower():
        return False
    return not (initial and following[0].isupper())


def _has_punkt_break(context: str) -> bool:
    found = [token for line in context.split("\n") for token in _PUNKT_TOKEN.findall(line)]
    return any(map(_punkt_break, found, found[1:]))


def _punkt_contexts(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each possible end with the word before and the token after; of several in one word only the last."""
    word_start = word_stop = 0
    held: re.Match[str] | None = None
    for match in _CANDIDATE.finditer(text):
        before = text[word_stop : match.start()]
        space = max(map(before.rfind, _ASCII_SPACE))
        # A space at the very start counts as none, as in NLTK.
        start = word_stop + space + 1 if space > 0 else word_start
        if held and word_stop <= start:
            yield held, text[word_start:word_stop] + held.group() + held.group(1)
        held, word_start, word_stop = match, start, match.start()
    if held:
        yield held, text[word_start:word_stop] + held.group() + held.group(1)


def _punkt_slices(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match, context in _punkt_contexts(text):
        if _has_punkt_break(context):
            yield start, match.end()
            start = match.start(2) if match.group(2) else match.end()
    yield start, len(text.rstrip())


@lru_cache(CACHED_TEXTS)
def punkt_sentences(text: str) -> tuple[str, ...]:
    """Sentences as NLTK's Punkt splits them when never trained, closing quotes and brackets included."""
    slices = list(_punkt_slices(text))
    result = []
    moved = 0  # closing punctuation that the sentence before has taken
    for (start, stop), after in zip(slices, [*slices[1:], None], strict=True):
        start += moved
        closing = _CLOSING.match(text, *after) if after else None
        if closing:
            moved = closing.end() - closing.start()
            result.append(text[start : closing.start() + len(closing.group().rstrip())])
        else:
            moved = 0
            result.append(text[start:stop])
    return tuple(filter(None, result))


# ---- word tokens of the Penn Treebank

_TREEBANK = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"[«“‘„]|`+", r" \g<0> "),
        (r'^"', "``"),
        (r"``", " `` "),
        (r"""([ (\[{<])("|'')""", r"\1 `` "),
        (r"'(?!(?i:re|ve|ll|[mtsdn]))(?=\w\b)", "' "),
        (r"""([^.])\.([\])}>"'»”’ ]*)$""", r"\1 . \2 "),
        (r"([:,])(\D)", r" \1 \2"),
        (r"[:,]$", r" \g<0> "),
        (r"\.{2,}|[;@#$%&]", r" \g<0> "),
        (r"[?!]", r" \g<0> "),
        (r"([^'])' ", r"\1 ' "),
        (r"[*()\[\]{}<>]", r" \g<0> "),
        ("--", " -- "),
        (r"^|$", " "),
        (r"[»”’]", r" \g<0> "),
        (r"""''|\"""", " '' "),
        (r"\s+", " "),
        (r"([^' ])('[sSmMdD]|') ", r"\1 \2 "),
        (r"([^' ])('(?:ll|LL|re|RE|ve|VE)|n't|N'T) ", r"\1 \2 "),
        (r"(?i)\b(can(?=not)|(?:gim|lem)(?=me)|gon(?=na)|got(?=ta)|wan(?=na\s))(not|me|na|ta)\b", r" \1 \2 "),
        (r"(?i)\b(d(?='ye)|more(?='n))('ye|'n)\b", r" \1 \2 "),
        (r"(?i) ('t)(is|was)\b", r" \1 \2 "),
    )
]


@lru_cache(CACHED_TEXTS)
def tokens(text: str) -> tuple[str, ...]:
    """Words and punctuation marks as `nltk.word_tokenize` (up to 3.9.1): `DON'T!` is DO, N'T, !."""
    result: list[str] = []
    for sentence in punkt_sentences(text):
        for pattern, replacement in _TREEBANK:
            sentence = pattern.sub(replacement, sentence)
        result += sentence.split()
    return tuple(result)


# ---- whole words, as a reader counts them

# Vowel signs and accents are no letters to `re`: without them a word of Hindi or Arabic would fall apart. The
# ranges are combining marks and, from 0900, whole blocks of Indian and south-east Asian scripts.
_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963\u0971-\u0dff"
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ecd\u1000-\u1049\u1780-\u17d3\u200c\u200d"
)
_LETTERS = rf"(?:[^\W_]|[{_MARKS}])"
_WHOLE_WORD = re.compile(rf"[^\W_]{_LETTERS}*+(?:(?:['’\-‐‑]|(?<=\d)[.,](?=\d)){_LETTERS}++)*+")


@lru_cache(CACHED_TEXTS)
def whole_words(text: str) -> tuple[str, ...]:
    """Words as a reader counts them: don't, well-known and 1,000 are one each, punctuation is none."""
    return tuple(_WHOLE_WORD.findall(text))


def plain_words(text: str) -> list[str]:
    """`whole_words` for a comparison: in small letters and with straight apostrophes."""
    return [word.casefold().replace("’", "'") for word in whole_words(text)]


def _of_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"


_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ＇", "'"))


@lru_cache(CACHED_TEXTS)
def _one_spelling(text: str) -> str:
    return unicodedata.normalize("NFC", text).translate(_APOSTROPHES)


def in_capitals(word: str) -> bool:
    """Whether all letters of the word are capitals, but for the ending of NASA's."""
    return word.removesuffix("'s").removesuffix("’s").isupper()


def count_word(text: str, word: str) -> int:
    """How often `word` (or a phrase) stands in the text by itself, in any case; `art` is not in `party`.

    Typographic apostrophes, line breaks inside a phrase and composed accents make no difference.
    """
    text = _one_spelling(text)
    pattern = r"\s+".join(map(re.escape, _one_spelling(word).split()))
    return sum(
        not (
            _of_word(text[found.start() - 1 : found.start()] or " ")
            or _of_word(text[found.end() : found.end() + 1] or " ")
        )
        for found in re.finditer(pattern, text, re.IGNORECASE)
    )


# ---- sentences as the rules of open-instruct's and IFBench's checkers split them

_KEPT_DOT, _STOP = "\x00", "\x01"
_STARTER = (
    r"((?:Mrs?|Ms|Dr|Prof|Capt|Cpt|Lt|Wherever)|(?:He|She|It|They|Their|Our|We|But|However|That|This)\s)"
)
_RULES: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    (re.compile(r"(Mr|St|Mrs|Ms|Dr)\."), rf"\1{_KEPT_DOT}"),
    (re.compile(r"\.(com|net|org|io|gov|edu|me)"), rf"{_KEPT_DOT}\1"),
    (re.compile(r"([0-9])\.([0-9])"), rf"\1{_KEPT_DOT}\2"),
    (re.compile(r"\.{2,}"), lambda dots: _KEPT_DOT * len(dots.group()) + _STOP),
    (re.compile(r"Ph\.D\."), f"Ph{_KEPT_DOT}D{_KEPT_DOT}"),
    (re.compile(r"\s([A-Za-z])\. "), rf" \1{_KEPT_DOT} "),
    (re.compile(rf"([A-Z]\.[A-Z]\.(?:[A-Z]\.)?) {_STARTER}"), rf"\1{_STOP} \2"),
    (re.compile(r"([A-Za-z])\.([A-Za-z])\.([A-Za-z])\."), rf"\1{_KEPT_DOT}\2{_KEPT_DOT}\3{_KEPT_DOT}"),
    (re.compile(r"([A-Za-z])\.([A-Za-z])\."), rf"\1{_KEPT_DOT}\2{_KEPT_DOT}"),
    (re.compile(rf" (Inc|Ltd|Jr|Sr|Co)\. {_STARTER}"), rf" \1{_STOP} \2"),
    (re.compile(r" (Inc|Ltd|Jr|Sr|Co|[A-Za-z])\."), rf" \1{_KEPT_DOT}"),
    (re.compile(r"\.([”\"])"), r"\1."),
    (re.compile('!"'), '"!'),
    (re.compile(r'\?"'), '"?'),
    (re.compile(r"[.?!]"), rf"\g<0>{_STOP}"),
]


@lru_cache(CACHED_TEXTS)
def rule_sentences(text: str) -> tuple[str, ...]:
    """Sentences as a fixed list of substitutions finds them; a mark by itself is one."""
    text = f" {text}  ".replace("\n", " ")
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    found = [sentence.strip() for sentence in text.replace(_KEPT_DOT, ".").split(_STOP)]
    return tuple(found if found[-1] else found[:-1])
