"""The page's state that no widget owns (prompt, cell): it lives in the URL, so that a link shows what its sender saw."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from codi_core.ui.shell import missing

Option = TypeVar("Option", bound=str)
LONGEST_LINK = 4_000
"""Characters of a prompt that still goes into the URL; browsers and proxies refuse very long addresses."""


RENAMED: dict[str, dict[str, str]] = {
    "detect": {"detect-lens": "lens"},
    "differences": {
        "difference-lens": "lens",
        "difference-sign": "reading",
        "difference-bias": "bias",
        "difference-by": "by",
        "difference-zero": "zero",
        "difference-layer": "depth",
    },
    "geometry": {"split": "means", "questions": "means-n", "colour": "by"},
    "steer": {"eval-set": "set", "eval-n": "n", "eval-seed": "seed", "steer-lens": "lens"},
    "ablate": {"experiment": "view", "by": "replace"},
    "heatmaps": {"on": "set", "grid": "view", "show": "measure", "base": "against"},
    "claims": {"on": "set"},
    "model": {"card-lens": "lens"},
}
"""What parameters were called in earlier links, by page. Renamed on arrival, so that every old link opens what it opened."""
OF_THE_PROMPT = ("gold", "steps")
"""Its answer and step values as a person gave them: they go when another prompt comes."""
CONTEXT = ("model", "prompt", "track", "intro", "pin", *OF_THE_PROMPT)
"""What is looked at and by whom, rather than how: a link that does not name these leaves them as they are."""


def renamed(page: str, params: dict[str, list[str]]) -> dict[str, list[str]]:
    """By today's names; where both are given, today's name wins."""
    names = RENAMED.get(page, {})
    return {names.get(name, name): values for name, values in params.items() if names.get(name) not in params}


def forget(names: Iterable[str]) -> None:
    """A link says all there is to say: what it leaves out is not what this session had last, whether kept here or by Streamlit."""
    context = set(CONTEXT) - (set(OF_THE_PROMPT) if "prompt" in st.query_params else set())
    for name in set(names) - context - set(st.query_params):
        _kept().pop(name, None)
        if name in st.session_state:
            del st.session_state[name]


def read(name: str, default: str = "") -> str:
    """The URL's value, else this session's last one (another page cleared the URL), else ``default``."""
    found = read_all(name)
    return found[0] if found else default


def read_all(name: str) -> list[str]:
    """As `read`, of a parameter that may stand in the URL several times; empty when it does not."""
    given, kept = st.query_params.get_all(name), _kept().get(name, [])
    if _went_through_history() or (given and given not in _superseded(name)):
        _kept()[name] = given
        return given
    if given != kept:
        _show(name, kept)
    return list(kept)


def write(name: str, value: str) -> None:
    write_all(name, [value])


def write_all(name: str, values: list[str]) -> None:
    superseded = [old for old in (*_superseded(name), st.query_params.get_all(name), read_all(name)) if old != values]
    _superseded(name)[:] = [old for place, old in enumerate(superseded) if old not in superseded[:place]]
    _kept()[name] = values
    _show(name, values)


def kept(name: str) -> list[str]:
    """This session's value of a parameter that is another page's, whose address alone shows it."""
    return list(_kept().get(name, []))


def keep(name: str, values: list[str]) -> None:
    _kept()[name] = values


def write_prompt(prompt: str) -> None:
    if prompt != read("prompt"):
        for name in OF_THE_PROMPT:
            write(name, "")
    write("prompt", prompt)


def one_of(name: str, choices: Sequence[Option], default: Option) -> Option:
    """The URL's value when it is one of ``choices``; a link that asks for another is told."""
    given = read(name, default)
    chosen = next((choice for choice in choices if choice == given), default)
    missing.check(name, [given], choices, chosen)
    return chosen


def whole(name: str, default: int, most: int) -> int:
    """As `one_of`, of whole numbers from 0 to ``most``."""
    given = read(name, str(default))
    found = whole_number(given, most)
    missing.check(name, [given], [] if found is None else [given], str(default))
    return default if found is None else found


def whole_number(text: str, most: int) -> int | None:
    """None for anything else than ASCII digits up to ``most``."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 11 and int(text) <= most else None


def read_tracked() -> list[str]:
    """The tracked tokens, one `track=` each in the URL."""
    return list(dict.fromkeys(read_all("track")))


def forget_superseded() -> None:
    """On another page, whose link may ask for anything."""
    st.session_state.pop("superseded", None)


def _show(name: str, values: list[str]) -> None:
    if values and sum(map(len, values)) <= LONGEST_LINK:
        st.query_params[name] = values
    else:
        st.query_params.pop(name, None)


def _kept() -> dict[str, list[str]]:
    kept: dict[str, list[str]] = st.session_state.setdefault("kept", {})
    return kept


def _superseded(name: str) -> list[list[str]]:
    """What the URL said before it was written: a click made before the browser has followed comes with that once more."""
    superseded: dict[str, list[list[str]]] = st.session_state.setdefault("superseded", {})
    return superseded.setdefault(name, [])


def _went_through_history() -> bool:
    """Whether this run was asked for by the browser's Back or Forward, which mean what the URL says."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def read_cell(indices: int, depths: int) -> tuple[int, int]:
    """The chosen (index, depth), `cell=3.5` in the URL; the output of the last pass when absent or outside the grid."""
    return cell_within("cell", indices, depths) or (indices - 1, depths - 1)


def cell_within(name: str, rows: int, columns: int) -> tuple[int, int] | None:
    """A cell of the URL; None when there is none, or none in so many rows and columns, which a link is told."""
    given = read(name)
    found = cell_of(given)
    inside = found is not None and found[0] < rows and found[1] < columns
    missing.check(name, [given], [given] if inside else [], "another cell")
    return found if inside else None


def cell_of(text: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})", text)
    return (int(found[1]), int(found[2])) if found else None


def write_cell(index: int, depth: int) -> None:
    write("cell", f"{index}.{depth}")
