"""Matrix arithmetic on trees: sums, products, powers and transposes become one matrix of expressions."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

from verifiers.expressions.arithmetic import fold
from verifiers.expressions.nodes import Add, Call, Div, Matrix, Mul, Neg, Node, Num, Pow
from verifiers.expressions.tree import rebuild, walk
from verifiers.policy import LimitExceeded

MAX_CELLS = 256
MAX_POWER = 12
MAX_NODES = 4_000  # in all cells; every product of symbolic matrices multiplies their length
MAX_DETERMINANT = 5

Rows = tuple[tuple[Node, ...], ...]


def has_matrix(node: Node) -> bool:
    return any(isinstance(n, Matrix) for n in walk(node))


def expand_determinants(node: Node) -> Node:
    """Determinants of matrices written out as sums of products."""
    if not has_matrix(node):
        return node
    if isinstance(node, Call) and node.name == "det" and len(node.args) == 1:
        rows = rows_of(node.args[0])
        if rows is not None and len(rows) == len(rows[0]) <= MAX_DETERMINANT:
            return _determinant(rows)
    return rebuild(node, expand_determinants)


def _determinant(rows: Rows) -> Node:
    terms: list[Node] = []
    for order in permutations(range(len(rows))):
        swaps = sum(order[i] > order[j] for i in range(len(order)) for j in range(i + 1, len(order)))
        term = Mul(tuple(rows[i][column] for i, column in enumerate(order)))
        terms.append(Neg(term) if swaps % 2 else term)
    return Add(tuple(terms))


def rows_of(node: Node) -> Rows | None:
    """The cells of a matrix expression, None when it is not one."""
    match node:
        case Matrix(rows):
            return rows
        case Neg(arg):
            return _scaled(Num(Fraction(-1)), rows_of(arg))
        case Add(terms):
            return _sum([rows_of(term) for term in terms])
        case Mul(factors):
            return _product(factors)
        case Div(numerator, denominator) if not has_matrix(denominator):
            return _scaled(Div(Num(Fraction(1)), denominator), rows_of(numerator))
        case Pow(base, exponent):
            return _power(rows_of(base), exponent)
        case Call("transpose", (arg,)):
            return _transposed(rows_of(arg))
    return None


def _transposed(rows: Rows | None) -> Rows | None:
    return None if rows is None else tuple(zip(*rows, strict=True))


def _scaled(factor: Node, rows: Rows | None) -> Rows | None:
    return None if rows is None else tuple(tuple(Mul((factor, cell)) for cell in row) for row in rows)


def _sum(parts: list[Rows | None]) -> Rows | None:
    matrices = [part for part in parts if part is not None]
    if len(matrices) != len(parts) or any(_shape(m) != _shape(matrices[0]) for m in matrices):
        return None
    height, width = _shape(matrices[0])
    return tuple(tuple(Add(tuple(m[i][j] for m in matrices)) for j in range(width)) for i in range(height))


def _shape(rows: Rows) -> tuple[int, int]:
    return len(rows), len(rows[0])


def _product(factors: tuple[Node, ...]) -> Rows | None:
    """Scalars come out of a product; the order of the matrices stays."""
    scalars: list[Node] = []
    product: Rows | None = None
    for factor in factors:
        rows = rows_of(factor)
        if rows is None:
            if has_matrix(factor):
                return None
            scalars.append(factor)
        else:
            product = rows if product is None else _times(product, rows)
            if product is None:
                return None
    for scalar in scalars:
        product = _scaled(scalar, product)
    return product


def _times(a: Rows, b: Rows) -> Rows | None:
    if len(a[0]) != len(b):
        return None
    if len(a) * len(b) * len(b[0]) > 16 * MAX_CELLS:
        raise LimitExceeded("a product of matrices is too large")
    columns = tuple(zip(*b, strict=True))
    product = tuple(tuple(_dot(row, column) for column in columns) for row in a)
    if sum(1 for row in product for cell in row for _ in walk(cell)) > MAX_NODES:
        raise LimitExceeded("a product of matrices is too long")
    return product


def _dot(row: tuple[Node, ...], column: tuple[Node, ...]) -> Node:
    terms = [Mul((x, y)) for x, y in zip(row, column, strict=True)]
    value = fold(Add(tuple(terms)))
    return Add(tuple(terms)) if value is None else Num(Fraction(value))


def _power(rows: Rows | None, exponent: Node) -> Rows | None:
    n = fold(exponent)
    if rows is None or n is None or n.denominator != 1 or len(rows) != len(rows[0]):
        return None
    if n == -1:
        return _inverse(rows)
    if not 0 < n <= MAX_POWER:
        return None
    result: Rows | None = rows
    for _ in range(int(n) - 1):
        result = None if result is None else _times(result, rows)
    return result


def _inverse(rows: Rows) -> Rows | None:
    """By cofactors."""
    size = len(rows)
    if not 1 < size <= 3:
        return None
    determinant = _determinant(rows)

    def cofactor(i: int, j: int) -> Node:
        minor = tuple(row[:j] + row[j + 1 :] for k, row in enumerate(rows) if k != i)
        value = _determinant(minor)
        return Neg(value) if (i + j) % 2 else value

    return tuple(tuple(Div(cofactor(j, i), determinant) for j in range(size)) for i in range(size))
