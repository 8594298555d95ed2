"""What every page shares: style, the model picker, and the way in."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from codi_core.services.cards import ModelCard
from codi_core.ui import calls, state
from codi_core.ui.errors import plain, shown_errors

SHIPPED = ("bundled", "bundled-steps")
ICON = str(Path(__file__).with_name("icon.svg"))
"""Ours: a Material icon would be fetched from Google."""
CSS = """<style>
.stMainBlockContainer { padding: 4.1rem 2.2rem 3rem; max-width: 1560px; }
.st-key-gallery { row-gap: .3rem; column-gap: .4rem; align-items: center; }
.st-key-gallery button {
  min-height: 0; padding: .1rem .6rem; border: 1px solid var(--st-border-color, #8884); border-radius: 1rem; font-size: .87rem;
}
.st-key-answer-text [data-testid=stText] { font-size: 1.9rem; font-weight: 600; line-height: 1.2; overflow-wrap: anywhere; }
[class*="-grids"] .stColumn { min-width: min(100%, 23rem); }
dl.facts {
  display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .3rem 1rem;
  margin: 0; padding: 0; font-size: .92rem; line-height: 1.45;
}
dl.facts dt { opacity: .68; max-width: 11rem; }
dl.facts dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
</style>"""


def style() -> None:
    st.html(CSS)


def require_app(page: str) -> None:
    """Send a deep link through app.py: until `/` was opened once after a start, Streamlit runs the page's file alone."""
    if not st.session_state.get("via-app"):
        st.session_state["goto"] = (page, {name: st.query_params.get_all(name) for name in st.query_params})
        st.switch_page("app.py")


def arrive(page: st.Page) -> None:
    """The second half of `require_app`: leave for the page asked for. Before any widget, which would own its parameter of the URL."""
    st.session_state["via-app"] = True
    if goto := st.session_state.pop("goto", None):
        st.switch_page(goto[0], query_params=goto[1])
    if st.session_state.get("page") != page.url_path:
        st.session_state["page"] = page.url_path
        state.forget_superseded()


def model_picker() -> None:
    """`model=` in the URL. When there is nothing to run models with, the page ends here and says why."""
    names: list[str] = []
    with shown_errors():
        names = [choice.name for choice in calls.choices()]
        default = names.index(calls.workbench().settings.model)
    if not names:
        st.stop()
    st.selectbox("Model", names, default, key="model", bind="query-params", width=300, label_visibility="collapsed")


def open_model() -> ModelCard | None:
    """The chosen model's card; None, and the page says why and what to do, when it cannot be opened."""
    chosen = next(choice for choice in calls.choices() if choice.name == st.session_state["model"])
    with shown_errors():
        if chosen.hub_id and not chosen.present:
            st.info(
                plain(f"{chosen.name} is not on this machine. Its files come from huggingface.co/{chosen.hub_id} and may take gigabytes.")
            )
            if not st.button("Download and open", icon=":material/download:"):
                return None
            calls.bring(chosen.name)
        return calls.card(chosen.name)
    st.markdown("The other models of the list above can still be opened. On the command line, this shows what is wrong:")
    st.code(f".venv/bin/python -m codi_core info --model {chosen.name}", language="bash")
    if chosen.hub_id is None and chosen.name in SHIPPED:
        st.markdown("And this trains it from scratch:")
        st.code(f".venv/bin/python -m codi_core train --preset {chosen.name} --out runs/{chosen.name}", language="bash")
    return None
