"""The table of methods, and their specs as flags: a spec's fields are its hash identity, its command line and its form at once."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import UnionType
from typing import Any, ClassVar, Literal, Protocol, get_args, get_origin, get_type_hints

from codi_core.errors import InterventionError
from codi_core.models.model import CodiModel
from codi_core.steering.edits import Edit
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.replacement import Replacement
from codi_core.steering.rows import Directions, Rows
from codi_core.steering.vectors import SOURCES, Source


class Method(Protocol):
    """A frozen dataclass, hashed by its ``kind`` and fields."""

    kind: ClassVar[str]

    @property
    def indices(self) -> tuple[int, ...]: ...

    @property
    def needs_means(self) -> bool:
        """Whether ``edits`` needs directions."""

    @property
    def coefficients(self) -> dict[str, float]:
        """By name; all zero = the baseline."""

    def with_coefficient(self, coefficient: float) -> Method:
        """The same with another coefficient."""

    def passes(self, passes: int) -> int:
        """Passes to run out of ``passes``."""

    @property
    def first_pass(self) -> int:
        """The first pass the edits reach; beyond ``passes``: only the answer is reached."""

    @property
    def first_slot(self) -> int:
        """The first cache slot that is not as it was."""

    def check(self, model: CodiModel, passes: int) -> None:
        """Raises InterventionError when this cannot be done on the model, or would do nothing."""

    def edits(self, rows: Rows, directions: Directions | None) -> tuple[Edit, ...]: ...


METHODS: dict[str, type[Hidden] | type[KV] | type[Replacement]] = {method.kind: method for method in (Hidden, KV, Replacement)}


@dataclass(frozen=True)
class Field:
    """One input of a form, one flag of the command line."""

    name: str
    type: Literal["number", "whole", "text", "switch", "choice", "list", "source"]
    """``list``: whole numbers with commas; ``source``: a kind in SOURCES, whose own fields follow."""
    choices: tuple[str, ...] = ()
    default: str | None = None
    """As a flag's text; None: must be given."""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


def fields_of(spec: type) -> tuple[Field, ...]:
    """What a person fills in for a method or a source."""
    hints = get_type_hints(spec)
    found = []
    for field in fields(spec):
        type_, choices = _describe(hints[field.name])
        default = None if field.default is MISSING else _text(field.default)
        found.append(Field(field.name, type_, choices, default))
    return tuple(found)


def flags_of(spec: Any) -> dict[str, str]:
    """A method's fields that differ from their defaults, those of its source beside them: ``{"a": "2", "coefficient": "0.5", …}``."""
    flags: dict[str, str] = {}
    for field in fields(spec):
        value = getattr(spec, field.name)
        if is_dataclass(value):
            flags |= {field.name: _kind(value), **flags_of(value)}
        elif value != field.default:
            flags[field.name] = _text(value)
    return flags


def method_of(kind: str, flags: Mapping[str, str]) -> Method:
    """The inverse of `flags_of`. Raises InterventionError naming the flag that is missing, unknown or unreadable."""
    if kind not in METHODS:
        raise InterventionError(f"Unknown method '{kind}': choose {', '.join(METHODS)}.")
    left = dict(flags)
    method: Method = _build(METHODS[kind], left)
    if left:
        raise InterventionError(f"{kind} steering has no option {', '.join(sorted(left))}.")
    return method


def _build(spec: type, left: dict[str, str]) -> Any:
    """Takes what it uses out of ``left``."""
    values: dict[str, Any] = {}
    for field in fields_of(spec):
        if field.name not in left:
            if field.default is None:
                raise InterventionError(f"{field.flag} is missing.")
            continue
        text = left.pop(field.name)
        hint = get_type_hints(spec)[field.name]
        values[field.name] = _source(field, text, left) if field.type == "source" else _read(field, text, hint)
    return spec(**values)


def _source(field: Field, kind: str, left: dict[str, str]) -> Source:
    if kind not in field.choices:
        raise InterventionError(f"{field.flag} is '{kind}': choose {', '.join(field.choices)}.")
    source: Source = _build(SOURCES[kind], left)
    return source


def _describe(hint: Any) -> tuple[Any, tuple[str, ...]]:
    if is_dataclass(next(iter(get_args(hint)), None)):  # a union of sources
        return "source", tuple(_kind(source) for source in get_args(hint))
    if get_origin(hint) is Literal:
        return "choice", get_args(hint)
    if get_origin(hint) is tuple:
        return "list", ()
    if get_origin(hint) is UnionType:  # int | None
        hint = get_args(hint)[0]
    return {float: "number", int: "whole", str: "text", bool: "switch"}[hint], ()


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return "" if value is None else str(value)


def _read(field: Field, text: str, hint: Any) -> Any:
    try:
        if field.type == "list":
            return tuple(int(part) for part in text.split(",") if part.strip())
        if field.type == "whole":
            return None if text == "" and type(None) in get_args(hint) else int(text)
        if field.type == "number":
            return float(text)
        if field.type == "switch":
            return {"True": True, "False": False}[text]
    except (ValueError, KeyError):
        raise InterventionError(f"{field.flag} is '{text}': give {_WANTED[field.type]}.") from None
    if field.type == "choice" and text not in field.choices:
        raise InterventionError(f"{field.flag} is '{text}': choose {', '.join(field.choices)}.")
    return text


_WANTED = {"list": "whole numbers with commas between", "whole": "a whole number", "number": "a number", "switch": "True or False"}


def _kind(spec: Any) -> str:
    return str(spec.kind)


def text_of(methods: Sequence[Method]) -> str:
    """Interventions as one line for the shell and the URL: ``kv source=difference a=2 b=4 coefficient=0.5 … + hidden …``."""
    return " + ".join(shlex.join([method.kind, *(f"{name}={value}" for name, value in flags_of(method).items())]) for method in methods)


def methods_of(text: str) -> tuple[Method, ...]:
    """The inverse of `text_of`. Raises InterventionError naming what cannot be read."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InterventionError(f"The intervention '{text:.200}' cannot be read ({error}): check its quotes.") from None
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "+":
            parts.append([])
        else:
            parts[-1].append(word)
    return tuple(_method_from(part) for part in parts if part)


def source_of(text: str) -> Source:
    """A source alone: ``difference a=2 b=4``. Raises InterventionError naming what cannot be read."""
    kind, *options = text.split() or [""]
    field = Field("source", "source", tuple(SOURCES))
    left = _options(options)
    source = _source(field, kind, left)
    if left:
        raise InterventionError(f"Source {kind} has no option {', '.join(sorted(left))}.")
    return source


def _method_from(words: list[str]) -> Method:
    kind, *options = words
    return method_of(kind, _options(options))


def _options(options: list[str]) -> dict[str, str]:
    wrong = [option for option in options if "=" not in option]
    if wrong:
        raise InterventionError(f"'{wrong[0]:.80}' is no option of an intervention: write name=value, as in indices=5.")
    return dict(option.split("=", 1) for option in options)


def all_zero(methods: Sequence[Method]) -> bool:
    """Whether this is the baseline."""
    return all(coefficient == 0 for method in methods for coefficient in method.coefficients.values())
