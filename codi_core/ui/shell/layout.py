"""What every page shares: style, the model picker, and the way in."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.delta_generator_singletons import context_dg_stack, get_default_dg_stack_value

from codi_core.services.cards import ModelCard
from codi_core.services.catalog import SHIPPED
from codi_core.ui.pages import GROUPS, PAGES, Page, page_of
from codi_core.ui.shell import calls, line, missing, url
from codi_core.ui.shell.codec import PageSetup
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.widgets import linked, outcome_bars, verdict

ICON = str(Path(__file__).with_name("icon.svg"))
"""Ours: a Material icon would be fetched from Google."""
CSS = """<style>
.stMainBlockContainer { padding: 4.1rem 2.2rem 3rem; max-width: 1560px; }
.st-key-gallery { row-gap: .3rem; column-gap: .4rem; align-items: center; }
.st-key-gallery button {
  min-height: 0; padding: .1rem .5rem; border: 1px solid var(--st-border-color, #8884); border-radius: 1rem;
}
.st-key-gallery button p { font-size: .84rem; }
@media (max-width: 1100px) {
  [data-testid=stButtonGroup] button { padding-inline: .4rem; }
  .st-key-gallery { row-gap: .1rem; column-gap: .3rem; }
  .st-key-gallery button { padding: .05rem .4rem; }
  .st-key-gallery button p { font-size: .8rem; }
}
.st-key-answer-text [data-testid=stText] { font-size: 1.9rem; font-weight: 600; line-height: 1.2; overflow-wrap: anywhere; }
.st-key-page-head { row-gap: 0; margin-bottom: -.2rem; }
.st-key-page-head h1 { padding: 0; white-space: nowrap; }
.st-key-page-head [data-testid=stMarkdown] p { opacity: .78; line-height: 1.3; }
.st-key-lens-head { row-gap: 0; flex-wrap: nowrap; margin-block: -.5rem -.7rem; }
.st-key-lens-head button, .st-key-lens-head a { min-height: 0; padding-block: .1rem; white-space: nowrap; }
.st-key-lens-head h3, .st-key-lens-head h2 { padding: 0; white-space: nowrap; }
.st-key-page-question { row-gap: 0; }
.st-key-page-question button { min-height: 0; padding: 0; border: 0; justify-content: flex-start; text-align: left; }
.st-key-page-question button p { font-size: .84rem; text-decoration: underline; text-underline-offset: 3px; text-decoration-color: #8888; }
[data-testid=stTopNav] { flex: 1 0 calc(100vw - 4.5rem); }
[data-testid=stTopNav] + * { min-width: 0; }
[data-testid=stTopNavLink] { padding-inline: .5rem; }
[data-testid=stTopNavLink] > :has([data-testid=stIconMaterial]) { display: none; } /* room for all pages */
[data-testid=stTopNav] > .rc-overflow-item { position: relative; padding-top: .7rem; }
[class*="-grids"] .stColumn { min-width: min(100%, 23rem); }
.stMarkdownBadge { white-space: normal !important; overflow: visible !important; }
.stApp [data-testid=stBaseButton-primary] { color: light-dark(#ffffff, #0b1416); }
.wide { overflow-x: auto; }
table.rows { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
table.rows :is(th, td) { padding: .4rem 1rem .4rem 0; text-align: left; border-bottom: 1px solid #8884; white-space: nowrap; }
table.rows th { font-weight: 500; opacity: .76; }
dl.facts {
  display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .3rem 1rem;
  margin: 0; padding: 0; font-size: .92rem; line-height: 1.45;
}
[data-testid=stCaptionContainer] { opacity: .78; } /* Streamlit's 0.6 reaches 4.2:1 */
.stPlotlyChart svg :is([class*=tick] text, [class*=title], .annotation-text) { fill: light-dark(#4a575c, #a9b6ba) !important; }
[data-testid=stCode] .token { color: inherit !important; } /* and its highlighting 2.6:1 */
dl.facts dt { opacity: .76; max-width: 11rem; }
dl.facts dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
</style>"""


def from_the_top() -> None:
    """A run of the whole script that follows a fragment's run in the same thread would go on inside that fragment's container: the page
    loses all around it, and the browser gives up (seen in Streamlit 1.67: a click while a chart that came in sight was being drawn).
    """
    context_dg_stack.set(get_default_dg_stack_value())


def style() -> None:
    st.html(CSS.replace("</style>", _group_names() + "</style>") + outcome_bars.CSS + verdict.CSS)


def _group_names() -> str:
    """Above the first page of each group. Not Streamlit's own groups, which fold their pages away."""
    firsts = {group: 1 + next(place for place, page in enumerate(PAGES) if page.group == group) for group in GROUPS}
    return "".join(
        f"[data-testid=stTopNav] > .rc-overflow-item:nth-child({place}) {{ padding-left: {0 if place == 1 else 0.9}rem; }}"
        f"[data-testid=stTopNav] > .rc-overflow-item:nth-child({place})::before {{ content: '{group}'; position: absolute; top: 0;"
        f" left: {0.55 if place == 1 else 1.45}rem; font-size: .68rem; letter-spacing: .04em; opacity: .8; }}"
        for group, place in firsts.items()
    )


def navigation() -> list[st.Page]:
    return [st.Page(page.file, title=page.title, icon=page.symbol, default=page is PAGES[0]) for page in PAGES]


def finish_redirect(page: st.Page) -> None:
    """The second half of `enter`: leave for the page asked for, with today's names in its address. Before any widget, which would own its
    parameter of the address."""
    st.session_state["via-app"] = True
    if goto := st.session_state.pop("goto", None):
        st.switch_page(goto[0], query_params=url.renamed(Path(goto[0]).stem, goto[1]))
    given = _given()
    if (known := url.renamed(name_of(page), given)) != given:
        st.switch_page(page, query_params=known)
    if st.session_state.get("page") != name_of(page):
        st.session_state["page"] = name_of(page)
        st.session_state["by-link"] = bool(given)
        missing.arrived({})
        url.forget_superseded()


def enter(file: str, setup: type[PageSetup] = PageSetup) -> None:
    """The first line of every page's file, with the parameters it has: the page's head.

    Sends a deep link through app.py: until `/` was opened once after a start, Streamlit runs the page's file alone. And opened by a link,
    the page is as the link says: what that leaves out is at its default.
    """
    if not st.session_state.get("via-app"):
        st.session_state["goto"] = (page_of(Path(file).stem).file, _given())
        st.switch_page("app.py")
    if st.session_state.pop("by-link", False):
        url.forget(one.name for one in setup.params().values())
        missing.arrived(_given())
    _header(page_of(Path(file).stem), setup)
    for name, given, default in setup.unread():
        missing.check(name, given, (), default)


def name_of(page: st.Page) -> str:
    """In PAGES; Streamlit calls the one at `/` by no name."""
    return page.url_path or PAGES[0].name


def _given() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def _header(page: Page, setup: type[PageSetup]) -> None:
    """The page's title, the question it answers, its worked example, and the model picker, in one line.

    `model=` in the address. When there is nothing to run models with, the page ends here and says why.
    """
    st.set_page_config(page_title=f"{page.title} · CODI Explorer")
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="page-head"):
        st.title(page.title, anchor=False, width="content")
        with st.container(key="page-question"):
            st.markdown(page.question)
            if page.example and st.button(f"Example: {page.example}", type="tertiary", key="example"):
                open_afresh(setup.example())
        picker = st.container(width=240)
    line.place()
    missing.place()
    names: list[str] = []
    with shown_errors():
        names = [choice.name for choice in calls.choices()]
    if not names:
        st.stop()
    with picker:
        chosen = linked.select("Model", "model", names, default=calls.workbench().settings.model, visible=False)
    st.session_state["model"] = chosen


def open_afresh(setup: PageSetup) -> None:
    """As a link to it does, also where the page is open already: what it leaves out is at its default."""
    st.session_state["by-link"] = True
    url.forget_superseded()
    st.switch_page(page_of(setup.page).file, query_params=setup.query())


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
            calls.download_model(chosen.name)
        return calls.card(chosen.name)
    st.markdown("The other models of the list above can still be opened. On the command line, this shows what is wrong:")
    st.code(f".venv/bin/python -m codi_core info --model {chosen.name}", language="bash", wrap_lines=True)
    if chosen.hub_id is None and chosen.name in SHIPPED:
        st.markdown("And this trains it from scratch:")
        st.code(f".venv/bin/python -m codi_core train --preset {chosen.name} --out runs/{chosen.name}", language="bash", wrap_lines=True)
    return None
