"""Reading pickles as data, by a machine that can't call anything.

``pickle.Unpickler`` with a ``find_class`` that refuses everything runs no foreign code, but still
does what the file says: 85 bytes of nested pairs as a dict's key keep it busy forever, two
megabytes of nested tuples crash the interpreter. This machine knows the few instructions that a
dict of arrays is made of, takes only strings as keys, and turns numpy's constructors into arrays
itself. The standard library's ``pickletools`` splits the bytes into instructions.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights.arrays import Array, decode


class Symbol(NamedTuple):
    """A class or function that a pickle names; never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class _Element:
    """An unfinished numpy dtype: ``numpy.dtype('f4', False, True)``, then its byte order."""

    def __init__(self, code: str) -> None:
        self.code = code.lstrip("<>|=")
        self.big_endian = code.startswith(">")


class _Unset:
    """An array that ``_reconstruct`` has announced and BUILD will fill."""

    value: Array | None = None


_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_NDARRAY = Symbol("numpy", "ndarray")
_RECONSTRUCT = {Symbol(module, "_reconstruct") for module in _MULTIARRAY}
_FROM_BUFFER = {Symbol(module, "_frombuffer") for module in _NUMERIC}
_DTYPE = Symbol("numpy", "dtype")
_ENCODE = Symbol("_codecs", "encode")
_ORDERED_DICT = Symbol("collections", "OrderedDict")
_TUPLE = {Symbol(module, "tuple") for module in ("builtins", "__builtin__")}
_ALLOWED = {_NDARRAY, _DTYPE, _ENCODE, _ORDERED_DICT, *_RECONSTRUCT, *_FROM_BUFFER, *_TUPLE}

_MARK = object()
_CONSTANTS = {"MARK": _MARK, "NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_NEW = {"EMPTY_DICT": dict, "EMPTY_LIST": list}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_IGNORED = {"PROTO", "FRAME", "STOP"}


def unpickle(data: bytes) -> object:
    """Return a pickle's object: None, bool, int, float, str, bytes, tuple, list, dict or array.

    Nothing in the file is imported or called, and what is built is no larger than the file.
    Raises WeightsError for damaged data and for anything that a dict of arrays doesn't need.
    """
    machine = _Machine(len(data))
    end = 0
    try:
        for opcode, argument, position in pickletools.genops(data):
            machine.step(opcode.name, argument)
            end = (position or 0) + 1
    except WeightsError:
        raise
    except ValueError as error:
        raise WeightsError(f"is damaged or cut off: {error}") from None
    if end != len(data):
        raise WeightsError(f"goes on for {len(data) - end} bytes after its end")
    return machine.result()


class _Machine:
    """A stack, a memo, and what each instruction does to them."""

    def __init__(self, size_bytes: int) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._bytes_left = size_bytes  # for arrays: they can't hold more than the file

    def result(self) -> object:
        (value,) = self.pop_values(1)
        if self._stack:
            raise WeightsError("is damaged: a pickle that leaves values behind")
        return value

    def step(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _NEW:
            self._stack.append(_NEW[name]())
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in _IGNORED:
            raise WeightsError(f"holds the pickle instruction {name}, which weights don't need")

    def pop(self, count: int) -> list[Any]:
        values = self._stack[len(self._stack) - count :] if count <= len(self._stack) else []
        if len(values) != count or any(value is _MARK for value in values):
            raise WeightsError("is damaged: a pickle that takes more than it has")
        del self._stack[len(self._stack) - count :]
        return values

    def pop_values(self, count: int) -> list[Any]:
        return [_finished(value) for value in self.pop(count)]

    def pop_to_mark(self) -> list[Any]:
        for index in range(len(self._stack) - 1, -1, -1):
            if self._stack[index] is _MARK:
                values = [_finished(value) for value in self._stack[index + 1 :]]
                del self._stack[index:]
                return values
        raise WeightsError("is damaged: a pickle that misses a mark")

    def _top(self, kind: type) -> Any:
        if not self._stack or not isinstance(self._stack[-1], kind):
            raise WeightsError(f"is damaged: no {kind.__name__} where its items follow")
        return self._stack[-1]

    # the instructions

    def make_tuple(self, values: list[Any]) -> None:
        self._stack.append(tuple(values))

    def drop(self) -> None:
        """Take a text from the stack, which a checksum is."""
        (text,) = self.pop(1)
        if not isinstance(text, str):
            raise WeightsError("is damaged: a pickle that drops what it holds")

    def set_items(self, pairs: list[Any]) -> None:
        target = self._top(dict)
        if len(pairs) % 2:
            raise WeightsError("is damaged: a key without a value")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, str):
                raise WeightsError(f"has a key of type {type(key).__name__} instead of a name")
            target[key] = value

    def extend(self, values: list[Any]) -> None:
        self._top(list).extend(values)

    def remember(self, index: int | None) -> None:
        (value,) = self.pop(1)
        self._stack.append(value)
        self._memo[len(self._memo) if index is None else index] = value

    def recall(self, index: int) -> None:
        if index not in self._memo:
            raise WeightsError("is damaged: a pickle that recalls what it never held")
        self._stack.append(self._memo[index])

    def name(self, module: object, name: object) -> None:
        symbol = Symbol(str(module), str(name))
        if symbol not in _ALLOWED:
            hint = " (a PyTorch file)" if symbol.module.split(".")[0] == "torch" else ""
            raise WeightsError(
                f"names {symbol}{hint}, which weights don't need and which could run code; "
                "nothing of it was run"
            )
        self._stack.append(symbol)

    def reduce(self, symbol: object, arguments: object) -> None:
        if not isinstance(symbol, Symbol) or not isinstance(arguments, tuple):
            raise WeightsError("is damaged: a pickle that calls what can't be called")
        self._stack.append(self._construct(symbol, arguments))

    def _construct(self, symbol: Symbol, arguments: tuple[Any, ...]) -> object:
        match arguments:
            case (target, (0,), _) if symbol in _RECONSTRUCT and target == _NDARRAY:
                return _Unset()
            case (data, _Element() as element, tuple() as shape, order) if symbol in _FROM_BUFFER:
                return self._array(data, element, shape, fortran=order == "F")
            case (str() as code, *_) if symbol == _DTYPE:
                return _Element(code)
            case (str() as text, "latin1") if symbol == _ENCODE:
                return _latin1(text)
            case () if symbol == _ORDERED_DICT:
                return {}
            case (tuple() as values,) if symbol in _TUPLE:
                return values
        raise WeightsError(f"is damaged: {symbol} with arguments that aren't its own")

    def build(self, target: Any, state: object) -> None:
        self._stack.append(target)
        match target, state:
            case _Element(), (int(), str() as order, None, None, None, *_):
                target.big_endian = order == ">"
            case _Unset(), (int(), tuple() as shape, _Element() as element, fortran, raw):
                data = _latin1(raw) if isinstance(raw, str) else raw
                target.value = self._array(data, element, shape, fortran=bool(fortran))
            case _:
                raise WeightsError("is damaged: an array without its type, shape or elements")

    def _array(self, data: Any, element: _Element, shape: Any, *, fortran: bool) -> Array:
        if not isinstance(data, (bytes, bytearray)):
            raise WeightsError("holds an array of objects instead of numbers")
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise WeightsError("unpacks to more than its own size")
        return decode(data, element.code, shape, big_endian=element.big_endian, fortran=fortran)


def _finished(value: object) -> object:
    """Return a value as its container keeps it: the array instead of its placeholder."""
    return value.value if isinstance(value, _Unset) else value


def _latin1(text: str) -> bytes:
    """Return the bytes of protocol 2's text, one per character; ValueError for others."""
    return text.encode("latin1")


_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "POP": lambda machine, _: machine.drop(),
    "TUPLE": lambda machine, _: machine.make_tuple(machine.pop_to_mark()),
    "TUPLE1": lambda machine, _: machine.make_tuple(machine.pop_values(1)),
    "TUPLE2": lambda machine, _: machine.make_tuple(machine.pop_values(2)),
    "TUPLE3": lambda machine, _: machine.make_tuple(machine.pop_values(3)),
    "SETITEM": lambda machine, _: machine.set_items(machine.pop_values(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_to_mark()),
    "APPEND": lambda machine, _: machine.extend(machine.pop_values(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.pop_to_mark()),
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "MEMOIZE": _Machine.remember,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "GLOBAL": lambda machine, names: machine.name(*names.partition(" ")[::2]),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.pop(2)),
    "REDUCE": lambda machine, _: machine.reduce(*machine.pop(2)),
    "BUILD": lambda machine, _: machine.build(*machine.pop(2)),
}
