"""Pairs of prompts to begin with: alike but for their numbers."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from codi_core.problems.generate import seed_prompt, team_prompt

TEAM, SEED = team_prompt().question, seed_prompt().question


def _team(members: int, new: int, each: int) -> str:
    numbers = TEAM.replace("with 3 members", f"with {members} members").replace("recruit 5 new", f"recruit {new} new")
    return numbers.replace("recruits 2 additional", f"recruits {each} additional")


FIRST = (TEAM, _team(2, 4, 4))
PAIRS: dict[str, tuple[tuple[str, str], str]] = {
    "Other numbers": (FIRST, "8, 16, 24 against 6, 24, 30: every step differs"),
    "One step shared": ((TEAM, _team(2, 6, 3)), "8 is the value of the first step in both, the answers are 24 and 32"),
    "Percentages": ((SEED, SEED.replace("600", "400").replace("30%", "20%")), "360 against 280"),
    "Another story": ((TEAM, SEED), "off the beaten track: prompts of another template and length"),
}


def gallery(choose: Callable[[str, str], None]) -> None:
    """``choose(clean, corrupt)`` runs before the next script run."""
    with st.container(horizontal=True, gap="small", key="gallery"):
        st.markdown("Examples")
        for label, (pair, about) in PAIRS.items():
            st.button(label, key=f"example-{label}", help=about, type="tertiary", on_click=choose, args=pair)
