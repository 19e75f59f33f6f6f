"""Rows in are rows kept plus rows rejected, or the run stops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.accounting import Account, AccountingError


def test_an_account_that_adds_up_closes_and_reads_as_one_line():
    account = Account("pairs", 4812)
    account.keep(4320)
    account.reject("unparsed", 61)
    account.reject("ties", 400)
    account.reject("ties", 31)
    account.reject("too_long", 0)
    assert account.close().line() == "pairs 4,812 kept 4,320 ties 431 unparsed 61"
    assert account.to_dict() == {
        "stage": "pairs",
        "in": 4812,
        "out": 4320,
        "rejected": {"ties": 431, "unparsed": 61},
    }
    assert Account.from_dict(account.to_dict()).line() == account.line()


@given(st.integers(0, 100), st.integers(0, 100), st.dictionaries(st.sampled_from("abc"), st.integers(0, 50)))
def test_an_account_closes_exactly_when_it_adds_up(rows_in, kept, rejected):
    account = Account("s", rows_in)
    account.keep(kept)
    for reason, n in rejected.items():
        account.reject(reason, n)
    if rows_in == kept + sum(rejected.values()):
        account.close()
    else:
        with pytest.raises(AccountingError):
            account.close()


@pytest.mark.parametrize(("kept", "words"), [(7, "2 rows vanished"), (12, "3 rows too many")])
def test_the_error_says_how_many_rows_and_shows_the_account(kept, words):
    account = Account("build", 10)
    account.keep(kept)
    account.reject("ties", 1)
    with pytest.raises(AccountingError, match=f"{words}: build 10 kept {kept} ties 1"):
        account.close()


def test_rows_cannot_be_taken_back_to_make_it_add_up():
    with pytest.raises(AccountingError, match="-1"):
        Account("s", 0).keep(-1)
    with pytest.raises(AccountingError, match="-1"):
        Account("s", 0).reject("ties", -1)
