"""How fields of dataclasses become options: their explanations, checks, JSON schema, and JSON form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from functools import cache
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, TypeVar, get_type_hints

from annotated_types import BaseMetadata, GroupedMetadata

from recessive.errors import SettingsError

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

LOCAL: Final = "local"
"""Marks an option that names a file or a device of this machine, which the service does not offer."""

Bound = BaseMetadata | GroupedMetadata
OptionsT = TypeVar("OptionsT", bound="Options")


@dataclass(frozen=True)
class Options:
    """Base of the option classes, which are frozen dataclasses."""

    local: ClassVar[bool] = True
    """Whether options marked `LOCAL` are among them."""

    bounds: ClassVar[Mapping[str, tuple[Bound | Spelled, ...]]] = {}
    """By the name of a field, bounds besides those that its annotation has."""


class OptionsError(SettingsError):
    """Options have values that make no sense.

    Attributes:
        errors: (name of the option, what is wrong with its value), one for each; names have hyphens.
    """

    def __init__(self, *errors: tuple[str, str]) -> None:
        self.errors = errors
        super().__init__("; ".join(self.lines))

    @property
    def lines(self) -> list[str]:
        """A line for each option."""
        return [f"--{name}: {problem}" for name, problem in self.errors]


class Checked:
    """What `check` demands of the values of a field.

    cyclopts would demand it as well, in words of its own, but only if pydantic happens to be imported. This class hides
    the bounds from it.

    Args:
        bounds: of annotated_types, or `Spelled`.
    """

    def __init__(self, *bounds: Bound | Spelled) -> None:
        self.bounds = bounds


class Spelled:
    """A bound for texts, alone or in a tuple, that have one canonical spelling.

    Args:
        read: returns the canonical spelling; raises ValueError for an unknown text.
        schema: returns the JSON schema keywords that describe the text.
    """

    def __init__(self, read: Callable[[str], str], schema: Callable[[], dict[str, Any]]) -> None:
        self._read, self._schema = read, schema

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:  # noqa: ANN401 - pydantic's
        from pydantic_core.core_schema import no_info_after_validator_function

        def read(value: Any) -> Any:  # noqa: ANN401
            if isinstance(value, tuple):
                return tuple(map(self._read, value))
            return value if value is None else self._read(value)

        return no_info_after_validator_function(read, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:  # noqa: ANN401
        whole: dict[str, Any] = handler(schema)
        text = whole["anyOf"][0] if "anyOf" in whole else whole.get("items", whole)
        text.update(self._schema())
        return whole


def offered(cls: type[Options]) -> dict[str, Any]:
    """Return the annotation of each field that can be asked for, with all its bounds."""
    hints = get_type_hints(cls, include_extras=True)
    found = {}
    for name in (declared.name for declared in fields(cls)):
        marks = getattr(hints[name], "__metadata__", ())
        if cls.local or LOCAL not in marks:
            bounds = [bound for mark in marks if isinstance(mark, Checked) for bound in mark.bounds]
            bounds += cls.bounds.get(name, ())
            bounds.sort(key=lambda bound: isinstance(bound, Spelled))  # pydantic does not describe what follows them
            found[name] = Annotated[hints[name], *bounds] if bounds else hints[name]
    return found


def explain(cls: type[Options]) -> dict[str, str]:
    """Return the explanation of each field, from the section "Attributes" of the class and its bases."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if issubclass(base, Options):
            section = cleandoc(base.__doc__ or "").partition("Attributes:\n")[2].partition("\n\n")[0]
            for name, text in re.findall(r"^    (\w+): (.*(?:\n     .*)*)", section, re.MULTILINE):
                found[name] = " ".join(text.split())
    return found


@cache
def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    annotations = offered(cls)
    declared = [
        (own.name, annotations[own.name], field(default=own.default, default_factory=own.default_factory))
        for own in fields(cls)
        if own.name in annotations
    ]
    config = {"extra": "forbid", "allow_inf_nan": False}
    return TypeAdapter(make_dataclass(cls.__name__, declared, namespace={"__pydantic_config__": config}))


def read(cls: type[OptionsT], values: Mapping[str, Any]) -> OptionsT:
    """Make options of values from a form or from JSON: texts become numbers, paths and canonical spellings.

    Args:
        cls: the class of the options.
        values: by the names of the fields.

    Raises:
        OptionsError: if a value makes no sense, or there is no such option.
    """
    from pydantic import ValidationError

    try:
        return cls(**vars(_adapter(cls).validate_python(dict(values))))  # type: ignore[arg-type] # classes are hashable
    except ValidationError as error:
        problems = {  # each once, though several items of a list may share it
            (str(problem["loc"][0]).replace("_", "-"), _problem(problem)): None for problem in error.errors()
        }
        raise OptionsError(*problems) from None


def _problem(error: ErrorDetails) -> str:
    unknown = error["type"] == "unexpected_keyword_argument"
    return "there is no such option" if unknown else error["msg"].removeprefix("Value error, ")


def check(options: OptionsT) -> OptionsT:
    """Return the options with values of their declared types, in canonical spelling.

    Raises:
        OptionsError: if a value makes no sense.
    """
    cls = type(options)
    return read(cls, {name: getattr(options, name) for name in offered(cls)})


def dump(options: Options) -> dict[str, Any]:
    """Return the options as JSON has them, by the names of their fields; `read` is the way back."""
    values = {name: getattr(options, name) for name in offered(type(options))}
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever options hold
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def json_schema(cls: type[Options]) -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each option: type, bounds, default and description. That of None is left out."""
    described = {}
    explanations = explain(cls)
    for name, schema in _adapter(cls).json_schema()["properties"].items():  # type: ignore[arg-type]
        kinds = [kind for kind in schema.pop("anyOf", []) if kind != {"type": "null"}]
        whole = {**schema, **(kinds[0] if kinds else {}), "description": explanations[name]}
        del whole["title"]
        if whole.get("default", ...) is None:
            del whole["default"]
        described[name] = whole
    return described
