"""How the verdicts are computed, in the words that each kind of claim brings."""

from __future__ import annotations

import html

import streamlit as st

from codi_core.services.sweeps.claims import ADJUSTED, KINDS
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets.table import wide


def rules() -> None:
    with st.expander("How the verdicts are computed", icon=":material/gavel:"):
        st.html(_rules())
        for text in (ADJUSTED, "Not reproduced: everything between.", "Not testable, too: no such sweep is stored."):
            st.caption(plain(text))


def _rules() -> str:
    columns = ("statistic", "reproduced", "reversed", "untestable")
    names = ("Kind of claim", "Statistic", "Reproduced", "Reversed", "Not testable")
    head = "".join(f"<th scope=col>{name}</th>" for name in names)
    rows = "".join(
        f"<tr><td>{html.escape(kind.title)}</td>"
        + "".join(f"<td>{html.escape(getattr(kind.rule, column))}</td>" for column in columns)
        + "</tr>"
        for kind in KINDS
    )
    return wide(f'<table class="claims"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>', "Rules of the verdicts")
