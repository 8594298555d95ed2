"""Methods as flags: a spec's fields are its hash identity, its command line and its form at once."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from codi_core.errors import InterventionError
from codi_core.steering.methods import METHODS, Method
from codi_core.steering.options import Option
from codi_core.steering.vectors import SOURCES, Source


@dataclass(frozen=True)
class Field:
    """One input of a form, one flag of the command line."""

    name: str
    type: Literal["number", "whole", "text", "switch", "choice", "list", "source"]
    """``list``: whole numbers with commas; ``source``: a kind in SOURCES, whose own fields follow."""
    option: Option
    """What a person is told about it."""
    choices: tuple[str, ...] = ()
    default: str | None = None
    """As a flag's text; None: must be given."""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    def called(self, choice: str) -> str:
        """A choice as a person reads it."""
        return SOURCES[choice].label if self.type == "source" else self.option.names.get(choice, choice)

    def applies(self, flags: Mapping[str, str]) -> bool:
        """Whether it is used beside these options of its spec."""
        return all(flags.get(name) in values for name, values in self.option.when.items())


@cache
def fields_of(spec: type) -> tuple[Field, ...]:
    """What a person fills in for a method or a source."""
    hints = get_type_hints(spec)
    found = []
    for field in fields(spec):
        about: Option = field.metadata.get("option") or Option(field.name, "")
        type_, choices = _describe(hints[field.name], about)
        default = None if field.default is MISSING else _text(field.default)
        found.append(Field(field.name, type_, about, choices, default))
    return tuple(found)


def complete(spec: type, flags: Mapping[str, str]) -> dict[str, str]:
    """All options of a method or source, and of its sources, as text: those given where they can be used, what a form starts with
    where something must be given, defaults elsewhere.
    """
    own = {field.name: _usable(field, flags.get(field.name)) for field in fields_of(spec)}
    unused = [field for field in fields_of(spec) if not field.applies(own)]
    own |= {field.name: field.option.first if field.default is None else field.default for field in unused}
    found: dict[str, str] = {}
    for field in fields_of(spec):
        found[field.name] = own[field.name]
        if field.type == "source":
            found |= complete(SOURCES[own[field.name]], flags)
    return found


def _usable(field: Field, text: str | None) -> str:
    fallback = field.option.first if field.default is None else field.default
    if field.choices and text not in field.choices:
        return fallback if fallback in field.choices else field.choices[0]
    if field.type == "whole" and text == "":  # emptied: what it starts with
        return field.option.first or fallback
    return fallback if text is None else text


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


def _describe(hint: Any, about: Option) -> tuple[Any, tuple[str, ...]]:
    if hint is Source:
        return "source", tuple(kind for kind in SOURCES if kind not in about.without)
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


def _kind(spec: Any) -> str:
    return str(spec.kind)


_WANTED = {"list": "whole numbers with commas between", "whole": "a whole number", "number": "a number", "switch": "True or False"}


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
    field = Field("source", "source", Option("Direction", ""), tuple(SOURCES))
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
        raise InterventionError(f"'{wrong[0]:.80}' is not an option of an intervention: write name=value, as in indices=5.")
    return dict(option.split("=", 1) for option in options)
