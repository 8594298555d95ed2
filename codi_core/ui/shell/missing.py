"""What a link asks for that is not here: said in a line at the head of the page, with what is shown instead."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from codi_core.ui.shell.errors import plain

WHAT = {"model": "the models of this server"}
"""Of what a parameter of the address is chosen, where that is more than its options."""


def arrived(asked: dict[str, list[str]]) -> None:
    """A page is opened: what its link asks for, nothing where it is opened without one. What pages have in common is kept between them, and
    only what a link says is worth a word."""
    st.session_state["asked"] = asked


def place() -> None:
    """Where it is said; once a page, in its head."""
    st.session_state["missing"], st.session_state["missing-place"] = {}, st.empty()


def check(name: str, given: Sequence[str], known: Container[str], shown: str) -> None:
    """``given``: values of a parameter of the address; ``shown``: in place of those that are not ``known``."""
    asked: list[str] = st.session_state.get("asked", {}).get(name, [])
    found: dict[str, str] = st.session_state.setdefault("missing", {})
    said = found.pop(name, None)
    if absent := [value for value in given if value in asked and value not in known]:
        what = WHAT.get(name, f"what “{name}” can be here")
        found[name] = f"'{', '.join(absent)}' is not among {what}" + (f": what is shown is {shown}." if shown else ".")
    if found.get(name) == said:
        return
    if not _in_fragment():
        _paint(st.session_state["missing-place"], found.values())
    elif name not in found:
        st.rerun()  # a fragment cannot paint what is outside of it; what it finds anew is said by the page's next run


def _paint(where: DeltaGenerator, lines: Collection[str]) -> None:
    if lines:
        where.warning("  \n".join(map(plain, lines)), icon=":material/warning:")
    else:
        where.empty()


def _in_fragment() -> bool:
    """Whether only a part of the page is run."""
    context = get_script_run_ctx()
    return context is not None and bool(context.fragment_ids_this_run)
