"""How decisions combine."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers.expressions.decisions import Account, NeedsAlgebra, assign

TABLES = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=n, max_size=n)
)


@given(TABLES)
def test_an_assignment_exists_exactly_when_some_permutation_fits(table: list[list[bool]]) -> None:
    orders = permutations(range(len(table)))
    assert assign(table) is any(all(row[i] for row, i in zip(table, order, strict=True)) for order in orders)


def test_an_account_refuses_what_is_no_longer_there() -> None:
    account = Account()
    account.spend(10**9)
    account.open(10)
    account.spend(10)
    with pytest.raises(NeedsAlgebra):
        account.spend(1)
