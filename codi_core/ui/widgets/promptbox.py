"""The prompt: a text box whose tokens are shown while one types, as the model will see them."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from codi_core.errors import CodiError
from codi_core.figures.text import glyphs
from codi_core.services.tokens import PromptTokens
from codi_core.ui.widgets.component import component, event

HTML = """
<div class="head"><label for="prompt">Prompt</label><span class="stale" hidden>Edited: the result is for the earlier text</span>
<span class="count" role="status"></span></div>
<textarea id="prompt" rows="2" spellcheck="false" aria-describedby="tokens" placeholder="Type a word problem"></textarea>
<div class="note" role="alert" hidden></div>
<div class="foot"><div class="strip" id="tokens" role="group" tabindex="0" aria-label="Tokens of the prompt as the model sees them"></div>
<kbd>Ctrl + Enter</kbd><button type="button">Run</button></div>
"""
KEY, SERIAL, SHOWN, FOCUS = "promptbox", "promptbox-serial", "promptbox-shown", "promptbox-focus"
_mount = component("promptbox", HTML)


@st.fragment
def prompt_box(shown: str, read: Callable[[str], PromptTokens], on_run: Callable[[str], None]) -> None:
    """``shown`` is the prompt of the result on screen; ``on_run`` gets the new one when it is run, before the whole page is."""
    if urgent_prompt_box(shown, read, on_run):
        st.rerun()


def urgent_prompt_box(shown: str, read: Callable[[str], PromptTokens], on_run: Callable[[str], None]) -> bool:
    """Not a fragment, whose runs wait for the script to end: for pages whose script runs for long. Whether the prompt was run just now."""
    if st.session_state.get(SHOWN, shown) != shown != event(KEY, "draft"):  # by a link or an example, not by what was typed
        replace_prompt(shown)
    st.session_state[SHOWN] = shown
    draft = event(KEY, "draft")
    text = shown if draft is None else draft
    try:
        tokens, note = (read(text), "") if text else (PromptTokens((), 0), "")
    except CodiError as error:
        tokens, note = PromptTokens((), 0), str(error)
    more = tokens.total - len(tokens.tokens)
    data = {
        "value": text,
        "serial": st.session_state.setdefault(SERIAL, 0),
        "shown": shown,
        "tokens": [{"text": glyphs(token), "special": special} for token, special in tokens.tokens],
        "more": f"… and {more:,} more" if more else "",
        "count": f"{tokens.total:,} tokens · {len(text):,} characters" if tokens.total else f"{len(text):,} characters",
        "note": note,
        "focus": st.session_state.pop(FOCUS, False),
    }

    def run() -> None:
        new = event(KEY, "run")
        if new is not None:
            on_run(new)

    return _mount(key=KEY, data=data, on_draft_change=lambda: None, on_run_change=run).get("run") is not None


def empty_prompt() -> None:
    """For a prompt of one's own: the box is emptied and has the cursor; the result on screen stays until the new one is run."""
    replace_prompt("")
    st.session_state[FOCUS] = True


def replace_prompt(text: str) -> None:
    """Put ``text`` in the box from outside, whatever was typed there."""
    st.session_state[SERIAL] = st.session_state.get(SERIAL, 0) + 1
    if KEY in st.session_state:
        st.session_state[KEY]["draft"] = text
