"""What crosses between judge and candidate: all data as it is, and nothing but data."""

from __future__ import annotations

import io
import pickle
import socket
import threading
import time
from collections import Counter, OrderedDict, deque, namedtuple
from datetime import date, timedelta
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers.execution.remote import (
    Candidate,
    CandidateError,
    Channel,
    Incident,
    Judge,
    Remote,
    _CandidatePickler,
    _DataUnpickler,
)

Point = namedtuple("Point", "x y")


class Level(IntEnum):
    HIGH = 3


class Shout(str):
    def __str__(self) -> str:
        return "changed"


class Sly(list):
    def __iter__(self):
        return iter([1, 2])

    def __getitem__(self, index):
        return [1, 2]


ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
    | st.fractions()
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.timedeltas()
)
KEYS = st.integers() | st.text() | st.tuples(st.integers(), st.text())
DATA = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner)
        | st.sets(KEYS)
        | st.frozensets(KEYS)
        | st.lists(inner).map(deque)
    ),
    max_leaves=20,
)


def crossed(value):
    """The judge's copy of what a candidate answers."""
    near, far = socket.socketpair()
    with near, far:
        buffer = io.BytesIO()
        _CandidatePickler(buffer, Candidate(Channel(far))).dump(value)
        return _DataUnpickler(io.BytesIO(buffer.getvalue()), Judge(Channel(near))).load()


@given(DATA)
def test_all_data_arrives_equal_and_of_the_same_type(value):
    found = crossed(value)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Point(1, 2), (1, 2)),
        (Level.HIGH, 3),
        (Shout("as it is"), "as it is"),
        (Sly([7, 8, 9]), [7, 8, 9]),
        ({"a": Sly([7])}, {"a": [7]}),
        (Counter("aab"), Counter("aab")),
        (OrderedDict(a=1), OrderedDict(a=1)),
        (Fraction(1, 3), Fraction(1, 3)),
        (Decimal("0.10"), Decimal("0.10")),
        (date(2024, 2, 29), date(2024, 2, 29)),
        (timedelta(1), timedelta(1)),
        (range(3), range(3)),
    ],
)
def test_subclasses_arrive_as_the_data_they_hold_whatever_their_methods_say(value, expected):
    found = crossed(value)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize("value", [object(), lambda: 1, object, pickle, (x for x in ()), Exception("x")])
def test_anything_else_arrives_as_an_opaque_object(value):
    assert isinstance(crossed(value), Remote)
    assert isinstance(crossed([value])[0], Remote)


def answer_with(data: bytes) -> object:
    near, far = socket.socketpair()
    with near, far:
        judge = Judge(Channel(near))
        judge.channel.deadline = time.monotonic() + 5
        answering = threading.Thread(target=lambda: (far.recv(4096), far.sendall(data), far.shutdown(1)))
        answering.start()
        try:
            return judge.do("call")
        finally:
            answering.join()


@given(st.binary(max_size=200))
def test_any_bytes_for_an_answer_are_an_error_and_run_nothing(data):
    framed = len(data).to_bytes(4, "big") + data
    for sent in (data, framed):
        with pytest.raises((Exception, Incident)):
            answer_with(sent)


@given(st.data())
def test_a_changed_answer_is_data_or_an_error(data):
    whole = pickle.dumps(("ok", [1, "a", {"b": (2.5, None)}], ()), 4)
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    try:
        answer_with(len(changed).to_bytes(4, "big") + changed)
    except (Exception, Incident):
        pass


def test_an_answer_cannot_make_the_judge_ask_while_it_reads():
    stream = b"\x80\x04(\x8c\x06remoteK\x00tQ)R."  # calls object 0
    with pytest.raises(CandidateError, match="asks to be computed"):
        answer_with(len(stream).to_bytes(4, "big") + stream)


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "builtins.getattr", "functools.partial"])
def test_no_function_can_be_named_in_an_answer(name):
    module, _, function = name.rpartition(".")
    stream = b"\x80\x04" + f"c{module}\n{function}\n.".encode()
    with pytest.raises(Exception, match="is no data"):
        answer_with(len(stream).to_bytes(4, "big") + stream)


def test_an_answer_that_claims_to_be_endless_is_not_waited_for():
    with pytest.raises(Incident, match="a message of 4294967295 bytes"):
        answer_with(b"\xff\xff\xff\xff")
