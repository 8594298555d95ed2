"""What the views of the Ablate page share: the questions, the whole condition in a line, and the way to the command line."""

from __future__ import annotations

import streamlit as st

from codi_core.services.cards import ModelCard
from codi_core.services.steer import MeansRequest
from codi_core.types import EvalSetSpec
from codi_core.ui import eval_choice
from codi_core.ui.eval_choice import EvalChoice

DEFAULT_N = 192


def questions() -> tuple[EvalChoice | None, int]:
    """The eval set (None while a file is wanted) and the latent passes, both in the URL. Raises DataError for an unusable file."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        choice = eval_choice.choose(default_n=DEFAULT_N)
        passes = latent_passes()
    if choice is not None:
        eval_choice.describe(choice)
    return choice, passes


def latent_passes() -> int:
    chosen: int = st.segmented_control("Latent passes", range(9), default=6, required=True, key="passes", bind="query-params")
    return chosen


def model_words(card: ModelCard) -> list[str]:
    return [card.spec.name, f"weights {card.spec.checkpoint[:8]}", card.spec.dtype, f"{card.spec.prompt_format} prompt", "greedy"]


def set_words(spec: EvalSetSpec) -> str:
    return f"'{spec.name}', {spec.n:,} questions, seed {spec.seed}"


def means_words(means: MeansRequest) -> str:
    return f"means over {means.n:,} questions of '{means.eval_set}'"


def line(*facts: str) -> str:
    return " · ".join(facts)


def repeat(command: str) -> None:
    with st.expander("Repeat it on the command line", icon=":material/terminal:"):
        st.code(command, language="bash", wrap_lines=True)
        st.caption("This page as it is: the address in the browser.")
