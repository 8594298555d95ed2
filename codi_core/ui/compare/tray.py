"""The tray: states of Inspect and Steer that are to be seen side by side. The session keeps it; the Compare page has it in its address."""

from __future__ import annotations

import streamlit as st

from codi_core.ui.compare.link import Pinned, Setup, setup_of, text_of
from codi_core.ui.shell import url

MOST = 4
"""More do not fit side by side."""


def pinned() -> list[str]:
    return [text for text in url.kept("pin") if setup_of(text) is not None][:MOST]


def pin(text: str) -> None:
    """At the end; once."""
    if text not in pinned() and len(pinned()) < MOST:
        url.keep("pin", [*pinned(), text])


def drop(text: str) -> None:
    url.write_all("pin", [other for other in pinned() if other != text])


def pin_button(setup: Pinned) -> None:
    """Puts a state into the tray; beside it the way there."""
    text, tray = text_of(setup), pinned()
    full = len(tray) >= MOST
    why = f"The tray holds {MOST} states: drop one on the Compare page." if full else "Keep this state, to see it beside others"
    label = "Pinned" if text in tray else "Pin"
    st.button(label, icon=":material/keep:", key="pin", on_click=pin, args=(text,), disabled=full or text in tray, help=why)
    if tray:
        Setup(pins=tuple(tray)).link(f"Compare ({len(tray)})", width="content")
