"""A chart with a name that screen readers read (Plotly draws one that has none), made and sent when it comes in sight."""

from __future__ import annotations

from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st

from codi_core.ui.shell.errors import shown_errors
from codi_core.ui.widgets.component import component

_mount = component("plot", '<div class="place" role="figure">Drawn when it comes in sight.</div>')


def plot(draw: Callable[[], go.Figure], *, key: str, label: str, again: str = "") -> None:
    """``label`` says what is drawn against what. ``again``: names a repaint within one script run, where no key may come twice.

    Until someone scrolls to its place nothing is drawn: Plotly is two thirds of the script that a first visit would load, and drawing most
    of what the server would do for it.
    """
    with st.container(key=f"plot-{key}{again}", gap=None):
        _in_sight(draw, key, label, again)


@st.fragment
def _in_sight(draw: Callable[[], go.Figure], key: str, label: str, again: str) -> None:
    """A fragment: the page around stays as it is when its chart comes."""
    seen: set[str] = st.session_state.setdefault("in-sight", set())
    drawn = key in seen
    if drawn:
        with shown_errors():
            st.plotly_chart(draw(), key=f"{key}{again}", config={"displaylogo": False})
    _mount(key=f"{key}{again}-label", data={"label": label, "drawn": drawn}, on_seen_change=lambda: seen.add(key))
