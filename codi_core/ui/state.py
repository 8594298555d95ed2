"""The page's state that no widget owns (prompt, cell): it lives in the URL, so that a link shows what its sender saw."""

from __future__ import annotations

import re

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

LONGEST_LINK = 4_000
"""Characters of a prompt that still goes into the URL; browsers and proxies refuse very long addresses."""


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
    found = re.fullmatch(r"(\d{1,3})\.(\d{1,3})", read("cell"))
    if found and int(found[1]) < indices and int(found[2]) < depths:
        return int(found[1]), int(found[2])
    return indices - 1, depths - 1


def write_cell(index: int, depth: int) -> None:
    write("cell", f"{index}.{depth}")
