"""The page's state that no widget owns (prompt, cell): it lives in the URL, so that a link shows what its sender saw."""

from __future__ import annotations

import re

import streamlit as st

LONGEST_LINK = 4_000
"""Characters of a prompt that still goes into the URL; browsers and proxies refuse very long addresses."""


def read(name: str, default: str = "") -> str:
    """The URL's value, else this session's last one (another page cleared the URL), else ``default``."""
    if name not in st.query_params and name in st.session_state:
        write(name, st.session_state[name])
    return str(st.session_state.get(name, default)) if name not in st.query_params else st.query_params[name]


def write(name: str, value: str) -> None:
    st.session_state[name] = value
    if len(value) <= LONGEST_LINK:
        st.query_params[name] = value
    else:
        st.query_params.pop(name, None)


def read_tracked() -> list[str]:
    """The tracked tokens, one `track=` each in the URL."""
    if "track" in st.query_params:
        st.session_state["tracked"] = list(dict.fromkeys(st.query_params.get_all("track")))
    elif st.session_state.get("tracked"):
        st.query_params["track"] = st.session_state["tracked"]
    return list(st.session_state.get("tracked", ()))


def write_tracked(tracked: list[str]) -> None:
    st.session_state["tracked"] = tracked
    if tracked:
        st.query_params["track"] = tracked
    else:
        st.query_params.pop("track", None)


def read_cell(indices: int, depths: int) -> tuple[int, int]:
    """The chosen (index, depth), `cell=3.5` in the URL; the output of the last pass when absent or outside the grid."""
    found = re.fullmatch(r"(\d{1,3})\.(\d{1,3})", read("cell"))
    if found and int(found[1]) < indices and int(found[2]) < depths:
        return int(found[1]), int(found[2])
    return indices - 1, depths - 1


def write_cell(index: int, depth: int) -> None:
    write("cell", f"{index}.{depth}")
