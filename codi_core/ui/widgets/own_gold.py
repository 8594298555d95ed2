"""The right answer of a prompt, and the values of its steps, as a person gives them; `gold=` and `steps=` in the URL."""

from __future__ import annotations

import streamlit as st

from codi_core.ui.shell import url
from codi_core.ui.widgets import linked

LONGEST = 200
"""Characters."""


def given() -> tuple[str, tuple[str, ...]]:
    """Answer and step values; empty where none were given."""
    return url.read("gold")[:LONGEST].strip(), values_of(url.read("steps")[:LONGEST])


def values_of(text: str) -> tuple[str, ...]:
    return tuple(value.strip() for value in text.split(",") if value.strip())


def own_gold() -> None:
    """Behind a button: few prompts need it."""
    gold, _ = given()
    with st.popover(f"Answer given: {gold:.12}" if gold else "Give its answer", type="tertiary", icon=":material/flag:"):
        st.caption("With the right answer, marks, P(gold) and margins work for any prompt.")
        for name, label, hint in (("gold", "The right answer", "24"), ("steps", "Values of its steps, with commas", "8, 16")):
            st.text_input(
                label,
                key=linked.shows(name, url.read(name)),
                placeholder=hint,
                max_chars=LONGEST,
                on_change=linked.written(name),
            )
