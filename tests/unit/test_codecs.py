"""Every page's codec: what is written is read again, and what cannot be meant falls back."""

from __future__ import annotations

import dataclasses
import importlib
import random
from collections.abc import Callable
from typing import Any

import pytest

from codi_core.steering.flags import methods_of
from codi_core.ui.pages import PAGES
from codi_core.ui.shell.codec import PageSetup

SETUPS: list[type[PageSetup]] = [importlib.import_module(f"codi_core.ui.{page.name}.link").Setup for page in PAGES]
EACH = pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.page)
CONDITIONS = (
    "hidden source=difference a=2 b=4 coefficient=-0.5 indices=3",
    "kv source=random like=difference a=1 b=5 coefficient=2 indices=2,4",
    "replacement by=mean indices=5",
    "hidden source=difference a=2 b=4 coefficient=1 indices=2 + kv source=difference a=1 b=3 coefficient=1 indices=5",
)
KNOWN: dict[str, tuple[Any, ...]] = {
    "methods": tuple(map(methods_of, CONDITIONS)),
    "cell": ((3, 5), (0, 0)),
    "passes": (None, 0, 6, 10),
    "pick": ((2, 4, 5, -0.5), (1, 2, 3, 10.0)),
    "pair": ("5.0",),
    "taken": ((4, 6), None),
    "put": ((5, 0), None),
    "cut": ((7, 50), None),
    "depth": ("4",),
    "view": ("pairs", "signs"),
}
"""Fields whose values are not any text."""
TEXTS = ("bundled", "tuned:odd", "ü ␣ & = ? #", "a,b;c", "answer", "1")


def given_of(query: dict[str, str | list[str]]) -> Callable[[str], list[str]]:
    return lambda name: [value] if isinstance(value := query.get(name, []), str) else list(value)


def values_of(setup: type[PageSetup], field: str, draw: random.Random) -> Any:
    """A value its parameter can have, that the codec itself accepts."""
    default = getattr(setup(), field)
    if isinstance(default, bool):
        return draw.random() < 0.5
    if isinstance(default, int):
        return draw.randrange(9)
    if field in KNOWN and (default is None or not isinstance(default, str) or setup.page == "heatmaps" or field in ("pair", "depth")):
        return draw.choice(KNOWN[field])
    if isinstance(default, tuple):
        return tuple(draw.sample(TEXTS, draw.randrange(len(TEXTS))))
    candidates = [default, *TEXTS, *CHOICES]
    decode = setup.params()[field].decode
    return draw.choice([text for text in candidates if _accepted(decode, text)])


CHOICES = (
    "all",
    "addition",
    "A-B",
    "Entropy",
    "Gold margin",
    "corrected",
    "post",
    "max",
    "select",
    "kv",
    "dose",
    "Steps",
    "One prompt",
    "200",
)


def _accepted(decode: Callable[[list[str]], Any], text: str) -> bool:
    try:
        decode([text])
    except ValueError:
        return False
    return True


@EACH
def test_what_a_link_says_is_what_is_read(setup: type[PageSetup]) -> None:
    draw = random.Random(setup.page)
    seen = set()
    for _ in range(200):
        wanted = setup(**{field: values_of(setup, field, draw) for field in setup.params()})
        read = setup.of(given_of(wanted.query()))
        assert read == wanted
        seen.add(str(wanted))
    assert len(seen) > 1, "a test of one value tests nothing"


@EACH
def test_defaults_are_left_out(setup: type[PageSetup]) -> None:
    assert setup().query() == {}
    assert setup(model="bundled").query() == {"model": "bundled"}


@EACH
def test_wrong_values_fall_back(setup: type[PageSetup]) -> None:
    for wrong in ("²", "-1", "1e3", "<b>", "99999999999", "../x", "nan"):
        found = setup.of(lambda name, wrong=wrong: [wrong])  # type: ignore[misc]
        for name, value in dataclasses.asdict(setup()).items():
            if not isinstance(value, str | tuple):
                assert getattr(found, name) == value, name


@EACH
def test_a_name_of_the_address_means_one_thing(setup: type[PageSetup]) -> None:
    names = [one.name for one in setup.params().values()]
    assert len(set(names)) == len(names)


def test_names_of_several_pages_are_kept_by_us() -> None:
    """What Streamlit binds on one page it takes out of a link to another that has the same name. No link says whether a grid is flipped or
    a table; those two may be bound."""
    pages: dict[str, set[bool]] = {}
    several: set[str] = set()
    for setup in SETUPS:
        for one in setup.params().values():
            several |= {one.name} & set(pages)
            pages.setdefault(one.name, set()).add(one.bound)
    assert {name for name in several if True in pages[name]} == {"flip", "table"}
