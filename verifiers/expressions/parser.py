"""Read an answer in LaTeX or plain text as a tree (`nodes`), or not at all.

A hand-written recursive-descent parser: tokens (`lexer`), arithmetic (`expression`), units (`quantities`),
brackets and matrices (`structure`), and here relations, lists and words. Nothing is evaluated, and nothing is
skipped: a string of which only a part can be read is not read. Cost is about linear in the length, and
nesting is bounded before Python's recursion is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from verifiers.expressions import build, limits, numerals
from verifiers.expressions.expression import SIGNS
from verifiers.expressions.lexer import GLUED, Unreadable, tokenize
from verifiers.expressions.nodes import (
    Call,
    Connective,
    Dots,
    Group,
    Node,
    Ratio,
    Relation,
    SetOp,
    Sym,
    Text,
)
from verifiers.expressions.quantities import combined
from verifiers.expressions.structure import Structures
from verifiers.expressions.vocabulary import LOWERED, NAMES, RAISED, UNICODE, WORDS
from verifiers.policy import LimitExceeded

MAX_OPERATIONS = 64  # of relations and sets in one chain
MAX_WORDS = 64

_SEPARATORS = frozenset({",", ";", "and", "or", "row", "given"})
_SEPARATOR_AS = {"given": ",", "row": ","}
_CONNECTIVE_AS = {"union": "or", "intersection": "and"}
_AFTER_CHOICE = frozenset({"end of text", "*", "/", "rel", "setop", "^", ",", ";", "and", "or", "("})
_ENDS = frozenset({"end of text", ")", "]", "}", "rset", "rnull", "end", "rangle"})
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_VOWELS = frozenset("aeiou")
_LETTER = rf"[^\W\d_{RAISED}{LOWERED}¼-¾⅐-⅞]"
_WORDS_ONLY = re.compile(rf"{_LETTER}+(?:['’\-. ,]{{1,3}}{_LETTER}+)*")
_DELIMITER = re.compile(r"\$|\\[()\[\] ,;:!]|~")
_SENTENCE = re.compile(rf"{_LETTER}[\w ,'’.\-]*")
_RUN = re.compile(rf"{_LETTER}{{3,}}")
_BEGINNINGS = re.compile(
    r"(?:\s|[:*]|\\[,;:! ]|(?:approximately|about|roughly|exactly|only)\s)+",
    re.IGNORECASE,
)
_WRAPPER = re.compile(r"\\(?:text[a-z]{0,6}|math(?:rm|bf|it|sf)|mbox|emph)\s?\{([^{}]*)\}")


def parse(text: str) -> Node | None:
    """The tree of a whole answer; None when it cannot be read.

    Raises:
        LimitExceeded: the answer is longer, deeper or larger than `limits` allow.
    """
    if len(text) > limits.MAX_CHARS:
        raise LimitExceeded
    text = _trim(text)
    if text.isascii() and text.isdigit():
        return numerals.number(text)
    plain = _without_wrappers(text)
    if _WORDS_ONLY.fullmatch(plain) and _has_word(plain):
        return _words(plain)
    try:
        return _Parser(tokenize(text)).answer()
    except RecursionError:  # the caller had used up most of the stack
        raise LimitExceeded from None
    except Unreadable:
        return _sentence(plain)


def _trim(text: str) -> str:
    """Spaces, emphasis, and the punctuation of the sentence around the answer."""
    text = text.strip()
    if beginning := _BEGINNINGS.match(text):
        text = text[beginning.end() :]
    while True:
        end = len(text)
        if text.endswith(("...", "^*", "\\right.", "\\left.")):
            return text
        if text.endswith(("\\,", "\\;", "\\:", "\\!", "\\\\", "\\ ")):
            text = text[:-2]
        elif text.endswith(("\\", ".", ",", ";", ":", "*", " ", "\n", "\t")):
            text = text[:-1]
        if len(text) == end:
            return text


# Words


def _without_wrappers(text: str) -> str:
    """`text` without `\\text` and delimiters; single letters keep apart, as `x\\mathrm{d}y` is no word."""
    if "\\" in text:
        text = _WRAPPER.sub(lambda m: m[1] if len(m[1]) > 1 else f" {m[1]} ", text)
    return " ".join(_DELIMITER.sub(" ", text).split())


def _has_word(text: str) -> bool:
    """Whether there is a word that is no name of mathematics; "no" is the only answer of two letters."""
    if text.lower() == "no":
        return True
    return any(not _is_mathematics(run) for run in _RUN.findall(text))


def _is_mathematics(run: str) -> bool:
    if not run.isascii():
        return all(ord(letter) in UNICODE for letter in run)
    if run.lower() in WORDS or run in NAMES or GLUED.fullmatch(run):
        return True
    return run.islower() and (_is_alphabetical(run) or not _VOWELS & set(run))  # cab, mgh


def _is_alphabetical(run: str) -> bool:
    """Whether the letters are neighbours in the alphabet, in any order, as names of points are."""
    return "".join(sorted(run)) in _ALPHABET


def _words(text: str) -> Node:
    """Words as an answer, or a list of such answers: `red, blue`, `red and blue`."""
    for separator, op in ((r",\s*and\s|\sand\s", "and"), (r",\s*or\s|\sor\s", "or")):
        parts = [part.strip() for part in re.split(rf"{separator}|,\s", text) if part.strip()]
        if re.search(separator, text) and all(len(part.split()) < 3 for part in parts):
            return Connective(op, tuple(_text(part) for part in parts))  # type: ignore[arg-type]
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > 1 and all(len(part.split()) < 3 for part in parts):
        return Group(tuple(_text(part) for part in parts), "", "")
    return _text(text)


def _sentence(text: str) -> Node | None:
    """Words with a number or a variable among them: `June 5`, `the x-axis`."""
    is_sentence = _SENTENCE.fullmatch(text) and _has_word(text)
    if not is_sentence or (any(c.isdigit() for c in text) and len(text.split()) > 3):
        return None
    return _text(text)


def _text(text: str) -> Node:
    if text.isupper() and len(text) > 2 and _is_alphabetical(text.lower()):
        return Sym(text)  # the figure ABC, which is not the product abc
    words = text.replace("’", "'").lower().rstrip(" .,").split()
    if len(words) > MAX_WORDS:
        raise LimitExceeded
    return Text(" ".join(words))


class _Parser(Structures):
    """Relations and lists of them: the whole answer."""

    def atom(self) -> Node:
        read = ATOMS.get(self.tokens[self.at].kind)
        if read is None:
            raise Unreadable
        return read(self)

    def answer(self) -> Node:
        while self.accept("row", "given") or self.tokens[self.at].value in ("=", "~"):
            self.accept("rel")  # `= 5`, the end of a sentence that began before the answer
        choice = self._choice()
        node = self.assembled(*self.items())
        if choice:
            node = Relation((choice, node), ("=",))
        if self.kind != "end of text":
            raise Unreadable
        return node

    def _choice(self) -> Node | None:
        """The letter of `(B) 12`, which says both which choice and what it is."""
        kinds = [self.ahead(i).kind for i in range(3)]
        letter, content = self.ahead(1).value, self.ahead(3)
        if kinds != ["(", "letter", ")"] or letter not in "ABCDEFGHIJ" or not content.spaced:
            return None
        if content.kind in SIGNS or content.kind in _AFTER_CHOICE:
            return None
        self.at += 3
        return Sym(letter)

    def items(self) -> tuple[list[Node], list[str]]:
        """Relations and the separators after them; one separator more than gaps marks a trailing one."""
        items, separators = [self.relation()], list[str]()
        while self.kind in _SEPARATORS or self._joins_relations(items[-1]) or self._follows_wide_space():
            separators.append(self._separator())
            if self.kind in _ENDS:
                if separators[-1] in ("and", "or"):
                    raise Unreadable
                break
            items.append(self.relation())
        return items, separators

    def _joins_relations(self, item: Node) -> bool:
        return self.tokens[self.at].value in _CONNECTIVE_AS and isinstance(item, Relation)

    def _follows_wide_space(self) -> bool:
        """Whether an item begins where only `\\quad` or a new line separates it from the last."""
        return self.tokens[self.at].wide and self.kind in ATOMS

    def _separator(self) -> str:
        """One separator; `, and` and `, where` count as one, and words of condition as a comma."""
        if self._follows_wide_space():
            return ","
        token = self.take()
        kind = token.kind if token.kind != "setop" else _CONNECTIVE_AS[token.value]
        while self.kind in ("and", "or", "given", "row") or (kind == "row" and self.kind in (",", ";")):
            following = self.take().kind
            kind = following if following in ("and", "or") and kind not in ("and", "or") else kind
        return _SEPARATOR_AS.get(kind, kind)

    def assembled(self, items: list[Node], separators: list[str]) -> Node:
        """A list, or alternatives, of items; `x = 1, 2` means `x = 1, x = 2`."""
        if len(items) == 1:
            return items[0]
        separators = separators[: len(items) - 1]
        items = _distributed(items)
        for op in ("or", "and"):
            if op in separators:
                return _connected(op, items, separators)
        if ";" in separators and "," in separators:
            parts = _split(items, separators, ";")
            return Group(tuple(_listed(part) for part, _ in parts), "", "")
        return _listed(items)

    def relation(self) -> Node:
        self.accept("given")
        outer, self.on_right_side = self.on_right_side, False
        items, ops = [self._label() or self._side()], list[str]()
        self.on_right_side = True
        for _ in range(MAX_OPERATIONS):
            if not self._extends(items, ops):
                break
        else:
            raise LimitExceeded
        self.on_right_side = outer
        if not ops:
            return items[0]
        return Relation(tuple(items), tuple(ops))  # type: ignore[arg-type]

    def _extends(self, items: list[Node], ops: list[str]) -> bool:
        """Read one operator looser than a sum and what it joins to the last item; False if there is none."""
        token = self.tokens[self.at]
        if token.kind == "rel":
            self.at += 1
            ops.append(token.value)
            items.append(self._side())
        elif token.kind == "letter" and token.run == "in" and token.spaced:
            self.at += 2
            ops.append("in")
            items.append(self._side())
        elif token.kind == "setop" and ops and build.is_numeric(items[-1]):
            return False  # `x < -1 \\cup x > 2`
        elif token.kind == "setop" or (token.value == "U" and self._is_union()):
            self.at += 1
            items[-1] = _set_operation(token.value, items[-1], self._side())
        elif token.kind == ":" and not (self.inside and self.inside[-1] == "set"):
            self.at += 1
            items[-1] = _ratio(items[-1], self._side())
        elif token.kind in ("choose", "over"):
            items[-1] = self.infix_fraction(build.operand(items[-1]))
        elif modulus := self._modulus():
            items[-1] = Call("mod", (build.operand(items[-1]), modulus))
        else:
            return False
        return True

    def _side(self) -> Node:
        """One side of a relation: a sum, or words that are set as text."""
        token = self.tokens[self.at]
        if token.kind == "word" and not (token.value.isupper() and len(token.value) < 4):
            return self._phrase()
        return self.sum()

    def _phrase(self) -> Node:
        words = []
        while self.tokens[self.at].upright and self.kind in ("word", "letter", "fn"):
            words.append(self.take().run)
        return _text(" ".join(words))

    def _label(self) -> Node | None:
        """`Area = 5`: words before an equals sign are a name."""
        at, words = self.at, list[str]()
        while (run := self.tokens[at].run) and len(words) < 8:
            words.append(run)
            at += len(run) if self.tokens[at].kind == "letter" else 1
        is_equation = self.tokens[at].kind == "rel" and self.tokens[at].value == "="
        if not words or not is_equation or max(map(len, words)) < 4 or words[0] in NAMES:
            return None
        self.at = at
        return Sym(" ".join(words).lower())

    def _modulus(self) -> Node | None:
        if self.accept("pmod"):
            return self.argument(one_digit=False)
        if self.accept("mod"):
            return build.operand(self.sum())
        if self.kind != "(" or self.ahead().kind not in ("mod", "pmod"):
            return None
        self.at += 2
        modulus = build.operand(self.sum())
        self.expect(")")
        return modulus


ATOMS: dict[str, Callable[[_Parser], Node]] = {
    "num": _Parser.number,
    "repeating": _Parser.repeating,
    "endless": _Parser.endless,
    "base": _Parser.numeral,
    "clock": _Parser.clock,
    "const": _Parser.constant,
    "dots": _Parser.dots,
    "empty": _Parser.empty_set,
    "word": _Parser.word,
    "letter": _Parser.letter,
    "name": _Parser.greek,
    "figure": _Parser.figure,
    "mathbb": _Parser.named_set,
    "frac": _Parser.fraction,
    "sqrt": _Parser.root,
    "cbrt": _Parser.cube_root,
    "binom": _Parser.binomial,
    "_": _Parser.prescript,
    "^": _Parser.prescript,
    "fn": _Parser.function,
    "big": _Parser.big,
    "accent": _Parser.accent,
    "begin": _Parser.matrix,
    "currency": _Parser.price,
}
ATOMS |= dict.fromkeys(("(", "[", "{", "]", "lset", "langle", "lnull"), _Parser.bracket)
ATOMS |= dict.fromkeys(("|", "lbar", "norm", "lfloor", "lceil"), _Parser.bars)


def _set_operation(value: str, left: Node, right: Node) -> Node:
    op = "union" if value == "U" else value
    if isinstance(left, SetOp) and left.op == op:
        return SetOp(left.op, (*left.parts, right))
    return SetOp(op, (left, right))  # type: ignore[arg-type]


def _ratio(left: Node, right: Node) -> Node:
    if isinstance(left, Ratio):
        return Ratio((*left.items, build.operand(right)))
    return Ratio((build.operand(left), build.operand(right)))


def _distributed(items: list[Node]) -> list[Node]:
    first = items[0]
    if not isinstance(first, Relation) or len(first.ops) != 1 or first.ops[0] not in ("=", "!="):
        return items
    if any(isinstance(item, Relation | Dots | Text) for item in items[1:]):
        return items
    return [first, *(Relation((first.items[0], item), first.ops) for item in items[1:])]


def _split(items: list[Node], separators: list[str], at: str) -> list[tuple[list[Node], list[str]]]:
    parts: list[tuple[list[Node], list[str]]] = [([items[0]], [])]
    for item, separator in zip(items[1:], separators, strict=True):
        if separator == at:
            parts.append(([item], []))
        else:
            parts[-1][0].append(item)
            parts[-1][1].append(separator)
    return parts


def _listed(items: list[Node]) -> Node:
    return Group(tuple(items), "", "") if len(items) > 1 else items[0]


def _connected(op: str, items: list[Node], separators: list[str]) -> Node:
    """Alternatives in words; `1, 2 and 3` has three, `x=1, y=2 or x=2, y=1` has two."""
    parts = _split(items, separators, op)
    nested = any("and" in inner or ";" in inner for _, inner in parts)
    if not nested and len(parts) == 2 and len(parts[1][0]) == 1:
        measurement = combined(items) if op == "and" else None
        return measurement or Connective(op, tuple(items))  # type: ignore[arg-type]
    return Connective(op, tuple(_joined(*part) for part in parts))  # type: ignore[arg-type]


def _joined(items: list[Node], separators: list[str]) -> Node:
    return _connected("and", items, separators) if "and" in separators else _listed(items)
