"""Prompts to begin with; all but the last have a known answer."""

from __future__ import annotations

from functools import cache

import streamlit as st

from codi_core.figures.text import number
from codi_core.problems.generate import Family, Problem, generate, seed_prompt, team_prompt
from codi_core.ui.shell import url
from codi_core.ui.widgets.promptbox import replace_prompt

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
        *(
            _example(f"{name} → {number(problem.answer)}", problem, "from the posts; numbers held out of training")
            for name, problem in posts
        ),
        *(_example(name, problem, "numbers never seen in training") for name, problem in unseen),
        *(_example(name, problem, "numbers and phrases never seen in training") for name, problem in reworded),
        ("Off topic", OUTSIDE, "nothing like it was in the bundled models' training"),
    )


def _example(name: str, problem: Problem, about: str) -> tuple[str, str, str]:
    return name, problem.question, about


def gallery() -> None:
    """A row of examples."""
    with st.container(horizontal=True, gap="small", key="gallery"):
        for label, prompt, about in examples():
            st.button(
                label,
                key=f"example-{label}",
                help=f"{prompt} ({about})".replace("$", "\\$"),
                type="tertiary",
                on_click=_choose,
                args=(prompt,),
            )


def _choose(prompt: str) -> None:
    url.write_prompt(prompt)
    replace_prompt(prompt)
