"""The meaning of an answer as a tree: what `parser` reads and `compare` decides on.

Plain immutable values, cheap to build and safe to compare: no arithmetic happens here and nothing is
evaluated. A node keeps what a policy may need to know later (that a number was written as a decimal, which
brackets stood around a list).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal


@dataclass(frozen=True, slots=True)
class Num:
    """An exact rational. `decimal`: written with a decimal point, so it may be a rounded value."""

    value: Fraction
    decimal: bool = False


@dataclass(frozen=True, slots=True)
class Sym:
    """A variable: `x`, `alpha`, `x_1`; several letters only where the source marks them as one name."""

    name: str


@dataclass(frozen=True, slots=True)
class Const:
    """`oo` is infinity; `i` the imaginary unit."""

    name: Literal["pi", "e", "i", "oo"]


@dataclass(frozen=True, slots=True)
class Add:
    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Mul:
    factors: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Neg:
    arg: Node


@dataclass(frozen=True, slots=True)
class Div:
    numerator: Node
    denominator: Node


@dataclass(frozen=True, slots=True)
class Pow:
    base: Node
    exponent: Node


@dataclass(frozen=True, slots=True)
class Root:
    """The real root where there is one: the cube root of -8 is -2."""

    radicand: Node
    degree: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A known function by its lower-case LaTeX name, or an unknown one applied to arguments (`f(x)`).

    Known: sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth arcsinh
    arccosh arctanh exp ln log (argument, base if written) abs norm floor ceil factorial doublefactorial
    binom (n, k) min max gcd lcm mod (a, m) sign re im conj arg det transpose, and piecewise (value,
    condition, value, condition, ...). An inverse function is named `f^-1`, a derivative `f'`.
    """

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Big:
    """sum, prod, int, lim, diff over one variable; bounds are None where absent (indefinite integral).

    `lower` of a limit is the point, `upper` the side it is approached from: the symbol + or -, or None.
    """

    op: Literal["sum", "prod", "int", "lim", "diff"]
    body: Node
    variable: str
    lower: Node | None = None
    upper: Node | None = None


@dataclass(frozen=True, slots=True)
class PlusMinus:
    """Both signs of `arg`; `flipped` for \\mp, which takes the opposite sign to \\pm of the same answer."""

    arg: Node
    flipped: bool = False


@dataclass(frozen=True, slots=True)
class Percent:
    arg: Node


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with a unit in one spelling ("meter", "degree", "$", "meter^2", "meter/second")."""

    value: Node
    unit: str


@dataclass(frozen=True, slots=True)
class Digits:
    """A numeral with its base written out: 1011_2."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Group:
    """Comma-separated items with the brackets as written; "" and "" for a bare list.

    `(a,b)` may be a point or an open interval, `[a,b]` a list or a closed one: `compare` decides by what the
    other side is. A single parenthesised expression is not a Group.
    """

    items: tuple[Node, ...]
    opening: Literal["(", "[", "{", "<", ""]
    closing: Literal[")", "]", "}", ">", ""]


@dataclass(frozen=True, slots=True)
class SetOp:
    op: Literal["union", "intersection", "difference"]
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class SetBuilder:
    element: Node
    condition: Node


@dataclass(frozen=True, slots=True)
class Matrix:
    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain `items[0] ops[0] items[1] ops[1] ...`."""

    items: tuple[Node, ...]
    ops: tuple[Literal["=", "!=", "<", "<=", ">", ">=", "in", "notin", "~", "equiv"], ...]


@dataclass(frozen=True, slots=True)
class Connective:
    """Alternatives or conjunctions in words or symbols: `x = 1 or x = 2`, `6 and 8`."""

    op: Literal["and", "or"]
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """`a : b : c`. `clock` when written like a time of day (12:00)."""

    items: tuple[Node, ...]
    clock: bool = False


@dataclass(frozen=True, slots=True)
class Dots:
    """An ellipsis inside a list or a sum."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words that are the answer, lower case, single spaces."""

    words: str


Node = (
    Num | Sym | Const | Add | Mul | Neg | Div | Pow | Root | Call | Big | PlusMinus | Percent | Quantity
    | Digits | Group | SetOp | SetBuilder | Matrix | Relation | Connective | Ratio | Dots | Text
)  # fmt: skip
