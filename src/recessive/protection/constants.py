"""Constants of a method: the fields of its dataclass, read from text and checked against their annotations.

    clusters: Annotated[int, Bounds(1)] = 20

declares a constant that is called `clusters`, takes a whole number of at least 1, and is explained by its entry in the
section `Attributes:` of the class docstring. A field that is itself a dataclass, or a tuple of them, contributes its
own fields as `field.name`, or as `class.name`.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", NoneType: "none"}
_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Bounds:
    """The range of a number, for use in `Annotated`.

    Attributes:
        low: the smallest value.
        high: the largest value.
        above: whether `low` itself is excluded.
    """

    low: float
    high: float = math.inf
    above: bool = False

    def __str__(self) -> str:
        """The range in words, to follow a noun."""
        if self.high < math.inf:
            return f"{'above' if self.above else 'from'} {self.low:g} {'and up ' if self.above else ''}to {self.high:g}"
        return f"above {self.low:g}" if self.above else f"of at least {self.low:g}"

    def hold(self, value: float) -> bool:
        """Whether a number lies within the range."""
        return self.low <= value <= self.high and not (self.above and value == self.low)


Whole = Annotated[int, Bounds(0)]
Count = Annotated[int, Bounds(1)]
Positive = Annotated[float, Bounds(0, above=True)]
NotNegative = Annotated[float, Bounds(0)]
Share = Annotated[float, Bounds(0, 1)]


@dataclass(frozen=True)
class Constant:
    """A constant of a method.

    Attributes:
        name: its name, as in ``--set NAME=VALUE``.
        type: what values it takes, in words.
        default: its value.
        explanation: what it means, in one sentence or more; empty where nothing is documented.
        annotation: the annotation that values are checked against.
    """

    name: str
    type: str
    default: Any
    explanation: str
    annotation: Any


def constants_of(owner: Any, left_out: frozenset[str] = frozenset()) -> Iterator[Constant]:  # noqa: ANN401
    """List the constants of a dataclass instance and of its parts, in the order of the fields.

    Args:
        owner: the instance.
        left_out: the names of fields that are no constants.
    """
    kind: type = type(owner)
    annotations, explanations = _annotations(kind), _explanations(kind)
    for field in fields(owner):
        if field.name in left_out:
            continue
        value, annotation = getattr(owner, field.name), annotations[field.name]
        parts = _parts(field.name, value)
        for name, part in parts.items():
            for constant in constants_of(part):
                yield replace(constant, name=f"{name}.{constant.name}")
        if not parts:
            yield Constant(field.name, describe(annotation), value, explanations.get(field.name, ""), annotation)


def replaced(owner: Any, name: str, value: Any) -> Any:  # noqa: ANN401
    """Return the dataclass instance with another value for one constant, whose name may lead into a part."""
    head, _, rest = name.partition(".")
    if not rest:
        return replace(owner, **{name: value})
    for field in fields(owner):
        held = getattr(owner, field.name)
        parts = _parts(field.name, held)
        if head in parts:
            part = replaced(parts[head], rest, value)
            changed = tuple(part if each is parts[head] else each for each in held) if isinstance(held, tuple) else part
            return replace(owner, **{field.name: changed})
    raise KeyError(name)


def _parts(name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401
    """The dataclass instances that a field holds, by the prefix of their constants."""
    if isinstance(value, tuple):
        return {type(part).__name__.lower(): part for part in value if is_dataclass(part)}
    return {name: value} if is_dataclass(value) else {}


def describe(annotation: Any) -> str:  # noqa: ANN401
    """Say in words which values an annotation admits, such as "a whole number of at least 1"."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return f"{describe(arguments[0])} {arguments[1]}"
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin in (Union, UnionType):
        return " or ".join(map(describe, arguments))
    if origin is tuple:
        return f"{describe(arguments[0])}, or several with commas between"
    return _WORDS.get(annotation, str(annotation))


def admits(annotation: Any, value: object) -> bool:  # noqa: ANN401
    """Whether a value is of the annotated type and within its bounds."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return admits(arguments[0], value) and arguments[1].hold(value)
    if origin is Literal:
        return value in arguments
    if origin in (Union, UnionType):
        return any(admits(argument, value) for argument in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and bool(value) and all(admits(arguments[0], each) for each in value)
    if annotation in (int, float):
        wanted = int if annotation is int else (int, float)
        return isinstance(value, wanted) and not isinstance(value, bool) and math.isfinite(value)
    return not isinstance(annotation, type) or isinstance(value, annotation)


def read(annotation: Any, text: str) -> Any:  # noqa: ANN401, PLR0911 - one return per kind of type
    """Read a value of the annotated type from text; `admits` decides whether it is within bounds.

    Raises:
        ValueError: if the text is no such value.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return read(arguments[0], text)
    if origin is Literal:
        return text
    if origin in (Union, UnionType):
        if NoneType in arguments and text.lower() == "none":
            return None
        return read(next(argument for argument in arguments if argument is not NoneType), text)
    if origin is tuple:
        return tuple(read(arguments[0], part) for part in text.split(","))
    if annotation is bool:
        if text.lower() not in _BOOLS:
            raise ValueError(text)
        return _BOOLS[text.lower()]
    return annotation(text)


@cache
def _annotations(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


@cache
def _explanations(kind: type) -> dict[str, str]:
    """The entries of the sections `Attributes:` of a class and its bases."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        section = re.search(r"^Attributes:\n((?: .*\n?|\n)*)", inspect.cleandoc(base.__doc__ or ""), re.MULTILINE)
        entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section[1] if section else "", re.MULTILINE)
        found |= {name: " ".join(text.split()) for name, text in entries}
    return found
