"""For a first visit: what this is in a sentence, how the model answers in a picture, and three ways in."""

from __future__ import annotations

import streamlit as st

from codi_core.ui.claims import link as claims_link
from codi_core.ui.shell import url
from codi_core.ui.tour import link as tour_link
from codi_core.ui.widgets.promptbox import empty_prompt

CLOSED = "closed"
"""`intro=` in the address, once someone has closed it; the session remembers."""
SENTENCE = (
    "A CODI model thinks in **six latent vectors** instead of words. Here you read them, layer by layer, and push them to see what the "
    "answer owes to them."
)
PICTURE = """<style>
.welcome { display: flex; flex-wrap: wrap; align-items: center; gap: .2rem; font-size: .82rem; line-height: 1.2; }
.welcome span { padding: .1rem .4rem; border: 1px solid #8889; border-radius: .35rem; }
.welcome span.latent { background: color-mix(in srgb, currentColor 14%, transparent); font-weight: 600; }
.st-key-welcome { padding: .5rem .8rem .55rem !important; row-gap: .35rem; }
.st-key-welcome-first { flex-wrap: nowrap; }
.st-key-welcome :is([data-testid=stMarkdown] p, [data-testid=stMarkdownContainer]) { margin: 0; }
.st-key-welcome-ways { row-gap: .2rem; column-gap: .5rem; }
.st-key-welcome-ways a, .st-key-welcome-ways button {
  min-height: 0; padding: .16rem .55rem; border: 1px solid #8889; border-radius: 1rem; }
.st-key-welcome-ways a p, .st-key-welcome-ways button p { font-size: .87rem; }
.st-key-welcome-close button { min-height: 0; padding: 0 .2rem; }
</style>
<div class="welcome" role="img" aria-label="The prompt is read up to the token bot; six latent passes z1 to z6 follow, each fed with the
 one before; after the token eot the model writes the answer">
<span>prompt</span>→<span>bot</span>→<span class="latent">z1</span>→<span class="latent">z2</span>→<span class="latent">z3</span>→<span
 class="latent">z4</span>→<span class="latent">z5</span>→<span class="latent">z6</span>→<span>eot</span>→<span>answer</span></div>"""


def welcome(model: str) -> None:
    """Nothing once it was closed."""
    if url.read("intro") == CLOSED:
        return
    with st.container(border=True, key="welcome"):
        with st.container(horizontal=True, vertical_alignment="top", gap="small", key="welcome-first"):
            st.markdown(SENTENCE, width="stretch")
            st.button("Close", icon=":material/close:", type="tertiary", key="welcome-close", on_click=_close, help="This introduction")
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="welcome-ways"):
            st.html(PICTURE, width="stretch")
            tour_link.Setup(model=model).link("Take the tour (3 min)", width="content")
            claims_link.Setup(model=model, step="prompt").link("Redo Sprint #3", width="content")
            st.button("My own prompt", icon=":material/edit:", type="tertiary", key="welcome-own", on_click=_own)


def reopen() -> None:
    """The way back, where it was closed."""
    if url.read("intro") == CLOSED:
        st.button("What is this?", type="tertiary", key="welcome-open", on_click=url.write, args=("intro", ""))


def _close() -> None:
    url.write("intro", CLOSED)


def _own() -> None:
    empty_prompt()
    _close()
