"""Somebody's bundle, taken in on the page: what it carries is then on Heatmaps, Claims, Model and in the lens menus."""

from __future__ import annotations

import streamlit as st

from codi_core.errors import CodiError
from codi_core.services.received import Part, add_bundle
from codi_core.ui.shell import calls
from codi_core.ui.shell.errors import plain, shown_errors

ABOUT = (
    "A .zip that this project wrote (*Bundle* on Steer and Heatmaps, `codi bundle`): a sweep, an eval, a condition or a lens. Every hash "
    "and spec is checked first; nothing in it is run. What is here already stays. Hashes say that files are as they were made, not that "
    "the numbers are right: the notebook in the bundle repeats them. `codi add` takes larger files."
)


def receive() -> None:
    """A popover with the uploader, and what became of the file."""
    with st.popover("Add a bundle", icon=":material/folder_zip:"):
        st.caption(ABOUT)
        st.file_uploader("Bundle", ["zip"], key="bundle", on_change=_take)
        with shown_errors():
            for part in _said():
                st.markdown(f":material/{'check' if part.taken else 'info'}: {plain(part.sentence)}")


def _take() -> None:
    """Once a file, not at every run of the page."""
    st.session_state["bundle-said"] = None
    if (file := st.session_state.get("bundle")) is not None:
        try:
            st.session_state["bundle-said"] = add_bundle(calls.workbench().settings, file).parts
        except CodiError as error:
            st.session_state["bundle-said"] = error


def _said() -> tuple[Part, ...]:
    said: tuple[Part, ...] | CodiError | None = st.session_state.get("bundle-said")
    if isinstance(said, CodiError):
        raise said
    return said or ()
