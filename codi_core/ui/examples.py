"""Prompts to begin with; all but the last have a known answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import streamlit as st

from codi_core.figures.text import number
from codi_core.problems.generate import Family, Problem, generate, seed_prompt, team_prompt

FIRST = team_prompt().question
OUTSIDE = "What is the capital of France?"
NAMES: dict[Family, str] = {"group": "Groups", "percent": "Percentages", "chain": "Everyday", "rate": "Rates"}


@cache
def examples() -> tuple[tuple[str, str, str], ...]:
    """Label, prompt, and what is to be said about it."""
    posts = [("Team", team_prompt()), ("600 employees", seed_prompt())]
    unseen = [(NAMES[family], generate("test", 1, seed=5, families=(family,))[0]) for family in NAMES]
    reworded = [("New wording", generate("wordings", 1, seed=3, families=("chain",))[0])]
    return (
        *(_example(name, problem, "from the posts; numbers held out of training") for name, problem in posts),
        *(_example(name, problem, "numbers never seen in training") for name, problem in unseen),
        *(_example(name, problem, "numbers and phrases never seen in training") for name, problem in reworded),
        ("Off topic", OUTSIDE, "nothing like it was in the bundled models' training"),
    )


def _example(name: str, problem: Problem, about: str) -> tuple[str, str, str]:
    return f"{name} → {number(problem.answer)}", problem.question, about


def gallery(choose: Callable[[str], None]) -> None:
    """A row of examples; ``choose(prompt)`` runs before the next script run."""
    with st.container(horizontal=True, gap="small", key="gallery"):
        st.markdown("Examples")
        for label, prompt, about in examples():
            st.button(
                label,
                key=f"example-{label}",
                help=f"{prompt} ({about})".replace("$", "\\$"),
                type="tertiary",
                on_click=choose,
                args=(prompt,),
            )
