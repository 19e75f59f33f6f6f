"""Calls between the judge, who holds the tests, and the candidate, who holds the model's program.

The judge never runs the candidate's code and believes nothing but data. What the candidate answers is read by
an unpickler that knows only numbers, strings, containers and a few types of the standard library; anything
else, such as an object whose `__eq__` always says yes, arrives as an opaque `Remote`, which equals no data.
Objects stay where they were made: `Remote` forwards calls, attributes, items, iteration and operators to
them. They are never ordered against data, and arithmetic with them never gives data: `abs(f(x) - 1) < 0.1`
asks for a number. A test that fails after it has inspected or inherited from the program's types is broken,
since it might have passed in one process. A function that a test hands over is called back in the judge.
Lists, dicts and sets that the candidate changes in place change in the judge too. What is left: a test that
calls a method of the program's own object takes the program's word for the answer. Standard library only.

Messages are pickled tuples behind a four-byte length:

    judge      ("load", source), ("find", names), ("do", operation, arguments, keywords)
    candidate  ("callback", number, arguments, keywords)
    both       ("ok", value, arguments as they are now), ("raised", types, text, whether a limit was hit)
"""

from __future__ import annotations

import builtins
import errno
import importlib
import io
import operator
import os
import pickle
import socket
import struct
import sys
import time
import types
from collections import deque
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any, NoReturn

HEADER = struct.Struct(">I")
MAX_MESSAGE = 2**26

DATA = {
    "builtins": "bool bytearray bytes complex dict float frozenset int list range set slice str tuple",
    "collections": "Counter OrderedDict deque",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
}
ARITHMETIC = "add sub mul truediv floordiv mod pow matmul and_ or_ xor neg pos abs invert".split()
COMPARISONS = "lt le gt ge".split()
ITEMS = "getitem setitem delitem".split()
COMMON_MODULES = sys.stdlib_module_names - {"antigravity", "this"} | {"numpy"}
FORWARDED = ("__name__", "__qualname__")
INSPECTED = ("__annotations__", "__bases__", "__code__", "__defaults__", "__mro_entries__", "__signature__")
LIMITS = (errno.EAGAIN, errno.EFBIG, errno.ENOSPC, errno.EMFILE, errno.ENOMEM)


class Incident(BaseException):
    """The test cannot go on; no `except Exception` of a test may take it for what it tests."""


class Gone(Incident):
    """The process at the other end is no more."""


class Late(Incident):
    """It did not answer in time."""


class LimitHit(Incident):
    """It ran out of memory, processes, files, or room for its answer."""


class Garbage(Incident):
    """What came from it is no message: the program has written to the judge's socket."""


class Unsupported(Incident):
    """A test hands over something that cannot leave the judge's process."""


class CandidateError(Exception):
    """The candidate raised what is no Exception, such as SystemExit, or answered with what is no data."""


class Channel:
    """Messages over a socket. Raises Late after `deadline` (a time.monotonic(); None waits)."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.deadline: float | None = None

    def send(self, data: bytes) -> None:
        if len(data) > MAX_MESSAGE:
            raise LimitHit(f"a message of {len(data)} bytes")
        self._arm()
        try:
            self.sock.sendall(HEADER.pack(len(data)) + data)
        except TimeoutError as error:
            raise Late from error
        except ConnectionError as error:
            raise Gone from error

    def receive(self) -> bytes:
        (size,) = HEADER.unpack(self._read(HEADER.size))
        if size > MAX_MESSAGE:  # `send` lets nobody send so much
            raise Garbage(f"a message of {size} bytes")
        return self._read(size)

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self._arm()
            try:
                part = self.sock.recv(min(size - len(parts), 2**20))
            except TimeoutError as error:
                raise Late from error
            except ConnectionError as error:
                raise Gone from error
            if not part:
                raise Gone
            parts += part
        return bytes(parts)

    def _arm(self) -> None:
        if self.deadline is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise Late
            self.sock.settimeout(left)


class Judge:
    """The end that asks. `incident` is the first one, should a test have swallowed it.

    `inspected`: a test has asked for what only a class or function of its own process has.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.callbacks: list[Callable[..., Any]] = []
        self.errors: dict[str, type[Exception]] = {}
        self.incident: Incident | None = None
        self.inspected = False
        self.reading = False

    def load(self, source: str) -> None:
        """Run the program at the other end; raises what it raises."""
        self._ask(("load", source))

    def find(self, names: Iterable[str]) -> dict[str, Any]:
        """Those of `names` that the program defines: data, a Remote, or for its exceptions a local type.

        Where it has imported a module that everybody has, it is the judge's own.
        """
        asked = sorted(names)
        found, errors, modules = self._ask(("find", asked))
        found |= {name: self._error_type(lineage) for name, lineage in errors.items()}
        own = {name: module for name, module in modules.items() if module.partition(".")[0] in COMMON_MODULES}
        found |= {name: importlib.import_module(module) for name, module in own.items() if name in asked}
        return {name: found[name] for name in asked if name in found}

    def do(self, operation: str, *arguments: Any, **keywords: Any) -> Any:
        return self._ask(("do", operation, arguments, keywords), arguments)

    def _ask(self, message: tuple[Any, ...], arguments: tuple[Any, ...] = ()) -> Any:
        if self.reading:
            raise CandidateError("an answer that asks to be computed")
        try:
            return self._exchange(message, arguments)
        except Incident as incident:
            self.incident = self.incident or incident
            raise

    def _exchange(self, message: tuple[Any, ...], arguments: tuple[Any, ...]) -> Any:
        self._send(message)
        while True:
            kind, *parts = self._receive()
            if kind == "callback":
                self._send(_attempt(self._call_back, *parts))
            elif kind == "ok":
                value, changed = parts
                for mine, theirs in zip(arguments, changed, strict=False):
                    _update(mine, theirs)
                return value
            else:
                self._raise(*parts)

    def _call_back(self, number: int, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        return self.callbacks[number](*arguments, **keywords)

    def _raise(self, lineage: list[str], text: str, limit: bool) -> NoReturn:
        if limit:
            raise LimitHit(text)
        raise self._error_type(lineage)(text)

    def _error_type(self, lineage: list[str]) -> type[Exception]:
        """The built-in exception of this name, or a local one below the nearest built-in of its `lineage`."""
        known = (getattr(builtins, name, None) for name in lineage)
        base = next((k for k in known if isinstance(k, type) and issubclass(k, Exception)), CandidateError)
        if issubclass(base, UnicodeError | ExceptionGroup):  # made of more than a text
            base = ValueError
        name = lineage[0]
        return base if base.__name__ == name else self.errors.setdefault(name, type(name, (base,), {}))

    def _send(self, message: tuple[Any, ...]) -> None:
        buffer = io.BytesIO()
        try:
            _JudgePickler(buffer, self).dump(message)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise Unsupported(str(error)) from error
        self.channel.send(buffer.getvalue())

    def _receive(self) -> Any:
        data = self.channel.receive()
        self.reading = True
        try:
            return _DataUnpickler(io.BytesIO(data), self).load()
        except Exception as error:  # a stream that no honest pickler writes
            raise CandidateError(f"an answer that is no data: {error}") from error
        finally:
            self.reading = False


class Remote:
    """An object in the candidate's process. Never equal to data, whatever it says of itself."""

    __slots__ = ("_judge", "_number")

    def __init__(self, judge: Judge, number: int) -> None:
        object.__setattr__(self, "_judge", judge)
        object.__setattr__(self, "_number", number)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._judge.do("call", self, *arguments, **keywords)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in FORWARDED:
            self._judge.inspected |= name in INSPECTED
            raise AttributeError(name)
        return self._judge.do("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._judge.do("setattr", self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and self._judge.do("eq", self, other) is True

    def __hash__(self) -> int:
        return hash(self._number)

    def __instancecheck__(self, thing: object) -> bool:
        if isinstance(thing, Remote):
            return self._judge.do("isinstance", thing, self) is True
        if thing is None or isinstance(thing, bool):
            return False
        raise Unsupported("whether data is of a type of the program's: its type stays behind")

    def __await__(self) -> NoReturn:
        raise Unsupported("a coroutine of the program's, which runs in no loop of the test's")

    def __enter__(self) -> Any:
        return self._judge.do("getattr", self, "__enter__")()

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None:  # an exception of the test's stays in the judge
            self._judge.do("getattr", self, "__exit__")(None, None, None)

    def __iter__(self) -> Remote:
        return self._judge.do("iter", self)

    def __next__(self) -> Any:
        return self._judge.do("next", self)

    def __len__(self) -> int:
        return self._judge.do("len", self)

    def __bool__(self) -> bool:
        return self._judge.do("bool", self) is True

    def __str__(self) -> str:
        return self._judge.do("str", self)

    def __repr__(self) -> str:
        return self._judge.do("repr", self)


def _item(name: str) -> Callable[..., Any]:
    return lambda self, *arguments: self._judge.do(name, self, *arguments)


def _arithmetic(name: str) -> Callable[..., Any]:
    def operate(self: Remote, *others: Any) -> Remote:
        result = self._judge.do(name, self, *others)
        if not isinstance(result, Remote):
            raise TypeError(f"{name}: the program's own object is no number")
        return result

    return operate


def _comparison(name: str) -> Callable[..., Any]:
    def compare(self: Remote, other: Any) -> bool:
        if not isinstance(other, Remote):
            raise TypeError(f"{name}: the program's own object is no data")
        return self._judge.do(name, self, other) is True

    return compare


for _names, _method in ((ITEMS, _item), (ARITHMETIC, _arithmetic), (COMPARISONS, _comparison)):
    for _name in _names:
        setattr(Remote, f"__{_name.strip('_')}__", _method(_name))


class Candidate:
    """The end that answers, in the process that runs the model's program."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.module = types.ModuleType("candidate")
        self.objects: list[Any] = []

    def serve(self) -> NoReturn:
        """Answer until the judge hangs up; threads of the program do not keep the process alive."""
        sys.modules["candidate"] = self.module
        try:
            while True:
                self._answer(self._receive())
        except BaseException:
            os._exit(0)

    def call_back(self, number: int, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        self._send(("callback", number, arguments, keywords))
        while True:
            message = self._receive()
            if message[0] == "ok":
                return message[1]
            if message[0] == "raised":
                raise getattr(builtins, message[1][0], RuntimeError)(message[2])
            self._answer(message)

    def number(self, thing: Any) -> int:
        self.objects.append(thing)
        return len(self.objects) - 1

    def _answer(self, message: tuple[Any, ...]) -> None:
        work: dict[str, Callable[..., Any]] = {"load": self._load, "find": self._find, "do": self._do}
        reply = _attempt(work[message[0]], *message[1:])
        try:
            self._send(reply)
        except BaseException as error:  # an answer that cannot be written down is an error of the program
            self._send(_raised(error))

    def _load(self, source: str) -> None:
        exec(compile(source, "candidate.py", "exec", dont_inherit=True), self.module.__dict__)

    def _find(self, names: list[str]) -> tuple[dict[str, Any], dict[str, list[str]], dict[str, str]]:
        """Plain values, the lineages of exception types, and the names of modules."""
        found = {name: self.module.__dict__[name] for name in names if name in self.module.__dict__}
        errors = {
            name: _lineage(value)
            for name, value in found.items()
            if isinstance(value, type) and issubclass(value, BaseException)
        }
        modules = {
            n: str(value.__name__) for n, value in found.items() if isinstance(value, types.ModuleType)
        }
        return {name: value for name, value in found.items() if name not in errors}, errors, modules

    def _do(self, operation: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> _Result:
        function = _OPERATIONS.get(operation) or getattr(operator, operation)
        return _Result(function(*arguments, **keywords), arguments)

    def _send(self, message: tuple[Any, ...]) -> None:
        buffer = io.BytesIO()
        _CandidatePickler(buffer, self).dump(message)
        self.channel.send(buffer.getvalue())

    def _receive(self) -> Any:
        return _CandidateUnpickler(io.BytesIO(self.channel.receive()), self).load()


class _Result:
    """A value with the arguments of the call as they are after it."""

    def __init__(self, value: Any, arguments: tuple[Any, ...]) -> None:
        self.value, self.arguments = value, arguments


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": lambda function, *arguments, **keywords: function(*arguments, **keywords),
    **{
        name: getattr(builtins, name)
        for name in "bool getattr isinstance iter len next repr setattr str".split()
    },
}


def _attempt(function: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
    try:
        result = function(*arguments)
    except BaseException as error:
        return _raised(error)
    if isinstance(result, _Result):
        return ("ok", result.value, result.arguments)
    return ("ok", result, ())


def _raised(error: BaseException) -> tuple[Any, ...]:
    try:
        text = str(error)[:500]
    except BaseException:  # the exception is the candidate's own
        text = ""
    return ("raised", _lineage(type(error)), text, hit_limit(error))


def _lineage(kind: type) -> list[str]:
    return [str(base.__name__) for base in kind.__mro__]


def hit_limit(error: BaseException) -> bool:
    if isinstance(error, MemoryError | LimitHit):
        return True
    # A thread that may not start is a RuntimeError of this text.
    return (isinstance(error, OSError) and error.errno in LIMITS) or "can't start new thread" in error.args


def _update(mine: Any, theirs: Any) -> None:
    """Do to a container what was done to its copy."""
    if type(mine) is not type(theirs) or mine is theirs:
        return
    if isinstance(mine, list | bytearray):
        mine[:] = theirs
    elif isinstance(mine, dict | set | deque):
        mine.clear()
        mine.extend(theirs) if isinstance(mine, deque) else mine.update(theirs)


class _JudgePickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO, judge: Judge) -> None:
        super().__init__(buffer, 4)
        self.judge = judge

    def persistent_id(self, thing: Any) -> Any:
        if isinstance(thing, Remote):
            return ("remote", object.__getattribute__(thing, "_number"))
        if isinstance(thing, types.FunctionType | types.MethodType):
            self.judge.callbacks.append(thing)
            return ("callback", len(self.judge.callbacks) - 1)
        return None


class _DataUnpickler(pickle.Unpickler):
    """Builds nothing but data and Remotes, whatever the stream says."""

    def __init__(self, buffer: io.BytesIO, judge: Judge) -> None:
        super().__init__(buffer)
        self.judge = judge

    def find_class(self, module: str, name: str) -> Any:
        if name not in DATA.get(module, "").split():
            raise pickle.UnpicklingError(f"{module}.{name} is no data")
        return super().find_class(module, name)

    def persistent_load(self, name: Any) -> Any:
        kind, number = name
        return Remote(self.judge, int(number)) if kind == "remote" else self.judge.callbacks[number]


class _CandidatePickler(pickle.Pickler):
    """Writes data as data, its subclasses and numpy's arrays and numbers as the data they hold."""

    def __init__(self, buffer: io.BytesIO, candidate: Candidate) -> None:
        super().__init__(buffer, 4)
        self.candidate = candidate

    def persistent_id(self, thing: Any) -> Any:
        if type(thing) in _PLAIN or _is_data_type(type(thing)) or _is_data_type(thing):
            return None
        if isinstance(thing, _Callback):
            return ("callback", thing.number)
        return None if _as_data(thing) else ("remote", self.candidate.number(thing))

    def reducer_override(self, thing: Any) -> Any:
        if _is_data_type(type(thing)) or _is_data_type(thing):
            return NotImplemented
        return _as_data(thing) or NotImplemented


def _is_data_type(thing: Any) -> bool:
    return isinstance(thing, type) and thing.__qualname__ in DATA.get(thing.__module__, "").split()


def _as_data(thing: Any) -> tuple[type, tuple[Any, ...]] | None:
    for base, read in _READERS.items():
        if isinstance(thing, base):
            return base, (read(thing),)
    if isinstance(thing, Integral):
        return int, (int(thing),)
    if isinstance(thing, Real):
        return float, (float(thing),)
    if type(thing).__module__ == "numpy" and hasattr(thing, "tolist"):
        value = thing.tolist()
        return type(value), (value,)
    return None


_PLAIN = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset}
)
_READERS: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    bytes: bytes.__bytes__,
    list: lambda thing: list.__getitem__(thing, slice(None)),
    tuple: lambda thing: tuple.__getitem__(thing, slice(None)),
    dict: lambda thing: dict(dict.items(thing)),
    set: lambda thing: list(set.__iter__(thing)),
    frozenset: lambda thing: list(frozenset.__iter__(thing)),
}


class _CandidateUnpickler(pickle.Unpickler):
    """Reads what the judge wrote, which is trusted."""

    def __init__(self, buffer: io.BytesIO, candidate: Candidate) -> None:
        super().__init__(buffer)
        self.candidate = candidate

    def persistent_load(self, name: Any) -> Any:
        kind, number = name
        return self.candidate.objects[number] if kind == "remote" else _Callback(self.candidate, number)


class _Callback:
    """A function of the tests, called from the candidate."""

    def __init__(self, candidate: Candidate, number: int) -> None:
        self.candidate, self.number = candidate, number

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self.candidate.call_back(self.number, arguments, keywords)
