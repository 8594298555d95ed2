"""What the address of a page says, as a frozen value: each page declares its parameters once, and links to it are made from them.

```
@dataclass(frozen=True)
class Setup(PageSetup):
    page = "data"
    eval_set: str = choice("set", EVAL_SETS, "templates")

Setup.read()                                   # from the address; what is wrong there falls back to the default
Setup(eval_set="bundled").query()              # what a link must say: {"set": "bundled"}; defaults are left out
Setup(eval_set="bundled").link("These questions")  # the link itself
```
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

import streamlit as st

from codi_core.errors import CodiError
from codi_core.ui.pages import page_of
from codi_core.ui.shell import url

Given = Callable[[str], list[str]]
"""The values of a parameter by its name; none when it is not given."""


@dataclass(frozen=True)
class Param:
    """One parameter. ``decode`` raises ValueError or a CodiError for what is no value of it."""

    name: str
    decode: Callable[[list[str]], Any]
    encode: Callable[[Any], list[str]]
    bound: bool = False
    """Whether a widget of Streamlit's ``bind="query-params"`` owns it; others are kept by `ui.shell.url`."""


def param(name: str, default: Any, decode: Callable[[list[str]], Any], encode: Callable[[Any], list[str]], bound: bool = False) -> Any:
    return field(default=default, metadata={"param": Param(name, decode, encode, bound)})


def text(name: str, default: str = "", bound: bool = False, pattern: str = r"(?s).*") -> Any:
    def decode(values: list[str]) -> str:
        if not re.fullmatch(pattern, values[0]):
            raise ValueError(values[0])
        return values[0]

    return param(name, default, decode, lambda value: [value], bound)


def several(name: str, default: tuple[str, ...] = (), bound: bool = False) -> Any:
    """Texts, each once; the parameter stands in the address as often as there are any."""
    return param(name, default, lambda values: tuple(dict.fromkeys(values)), list, bound)


def choice(name: str, choices: Sequence[str], default: str = "", bound: bool = False) -> Any:
    """One of several names; the first one unless another is the default."""

    def decode(values: list[str]) -> str:
        if values[0] not in choices:
            raise ValueError(values[0])
        return values[0]

    return param(name, default or choices[0], decode, lambda value: [value], bound)


def whole(name: str, default: int | None, most: int, bound: bool = False) -> Any:
    """A whole number from 0 to ``most``; None as default: none was given."""

    def decode(values: list[str]) -> int:
        if (found := url.whole_number(values[0], most)) is None:
            raise ValueError(values[0])
        return found

    return param(name, default, decode, lambda value: [str(value)], bound)


def switch(name: str, values: tuple[str, str] = ("false", "true"), bound: bool = False) -> Any:
    """``values``: off, the default, and on."""
    return param(name, False, lambda given: bool(values.index(given[0])), lambda value: [values[value]], bound)


def cell(name: str = "cell") -> Any:
    """(index, depth) as ``3.5``; None: where the page looks first."""

    def decode(values: list[str]) -> tuple[int, int]:
        if (found := url.cell_of(values[0])) is None:
            raise ValueError(values[0])
        return found

    return param(name, None, decode, lambda value: [f"{value[0]}.{value[1]}"])


@dataclass(frozen=True)
class PageSetup:
    """A page's state. Subclasses give every field a default by `text`, `choice`, `whole`, `switch`, `cell` or `param`."""

    page: ClassVar[str]
    """Its name in PAGES."""

    model: str = text("model")
    """Empty: the one that is chosen already."""

    @classmethod
    def example(cls) -> Self:
        """A state that shows what the page is for; its row of PAGES says what is to be seen there."""
        return cls()

    @classmethod
    def read(cls) -> Self:
        """From the address."""
        return cls.of(cls._given)

    @classmethod
    def _given(cls, name: str) -> list[str]:
        bound = {one.name for one in cls.params().values() if one.bound}
        return st.query_params.get_all(name) if name in bound else url.read_all(name)

    @classmethod
    def unread(cls) -> Iterator[tuple[str, list[str], str]]:
        """What the address says and no value can be: the parameter, what is given, and what it is then. What is more than a value, as an
        intervention, a page tells by itself: its decoder raises a CodiError."""
        for field_name, one in cls.params().items():
            values, default = cls._given(one.name), getattr(cls(), field_name)
            try:
                if values:
                    one.decode(values)
            except ValueError:
                yield one.name, values, ", ".join(one.encode(default)) if default is not None else ""
            except CodiError:
                continue

    @classmethod
    def of(cls, given: Given) -> Self:
        found: dict[str, Any] = {}
        for name, one in cls.params().items():
            values = given(one.name)
            try:
                if values:
                    found[name] = one.decode(values)
            except (ValueError, CodiError):
                continue
        return cls(**found)

    def query(self) -> dict[str, str | list[str]]:
        """What a link says. A page that is opened by a link takes what it leaves out at its default (see `layout.enter`)."""
        given: dict[str, str | list[str]] = {}
        defaults = type(self)()
        for name, one in self.params().items():
            if (value := getattr(self, name)) != getattr(defaults, name):
                values = one.encode(value)
                given[one.name] = values[0] if len(values) == 1 else values
        return given

    def link(self, label: str, icon: str = "", width: Any = "stretch") -> None:
        page = page_of(self.page)
        st.page_link(page.file, label=label, icon=icon or page.symbol, query_params=self.query(), width=width)

    @classmethod
    def params(cls) -> dict[str, Param]:
        """By field."""
        return {one.name: one.metadata["param"] for one in fields(cls) if "param" in one.metadata}
