"""What the views of the Ablate page share: the questions, the whole condition in a line, and the way to the command line."""

from __future__ import annotations

import streamlit as st

from codi_core.services.cards import ModelCard
from codi_core.services.shared.requests import MeansRequest
from codi_core.ui.ablate.link import DEFAULT_N
from codi_core.ui.widgets import eval_choice, passes_choice
from codi_core.ui.widgets.eval_choice import EvalChoice
from codi_core.values.questions import EvalSetSpec


def questions(card: ModelCard) -> tuple[EvalChoice, int]:
    """The eval set and the latent passes, both in the URL."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        choice = eval_choice.choose("templates", DEFAULT_N, width=230)
        count = passes_choice.choose(card)
    eval_choice.describe(choice)
    return choice, count


def format_model(card: ModelCard) -> list[str]:
    return [card.spec.name, f"weights {card.spec.checkpoint[:8]}", card.spec.dtype, f"{card.spec.prompt_format} prompt", "greedy"]


def format_set(spec: EvalSetSpec) -> str:
    return f"'{eval_choice.called(spec.name)}', {spec.n:,} questions, seed {spec.seed}"


def format_means(means: MeansRequest) -> str:
    return f"means over {means.n:,} questions of '{means.eval_set}'"


def line(*facts: str) -> str:
    return " · ".join(facts)


def repeat(command: str) -> None:
    with st.expander("Repeat it on the command line", icon=":material/terminal:"):
        st.code(command, language="bash", wrap_lines=True)
        st.caption("This page as it is: the address in the browser.")
