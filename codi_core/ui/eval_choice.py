"""Choosing questions: an eval set by name or a file one brings, and how many of them."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from codi_core.errors import DataError
from codi_core.problems.evalsets import EVAL_SETS
from codi_core.services.uploads import ENDINGS, eval_set_file, keep
from codi_core.ui import calls

OWN = "a file of mine"
SIZES = (64, 192, 512, 1000, 0)


@dataclass(frozen=True)
class EvalChoice:
    name: str
    """As `load_eval_set` takes it."""
    label: str
    """As a person calls it."""
    n: int
    """0 = all."""


def choose(default_n: int) -> EvalChoice | None:
    """`set=` and `n=` in the URL; None while a file is wanted. Raises DataError for a file that cannot be used."""
    uploaded = str(st.session_state.get("set", st.query_params.get("set", "")))
    names = [*EVAL_SETS, *([uploaded] if uploaded.startswith("upload-") else []), OWN]
    name = st.selectbox("Eval set", names, key="set", bind="query-params", width=230)
    n = st.segmented_control(
        "Questions", SIZES, default=default_n, required=True, key="n", bind="query-params", format_func=lambda n: str(n or "all")
    )
    if name == OWN:
        _bring()
        return None
    return EvalChoice(eval_set_file(calls.workbench().settings, name), name, n)


def describe(choice: EvalChoice) -> None:
    if choice.label in EVAL_SETS:
        st.caption(EVAL_SETS[choice.label].description)


def _bring() -> None:
    st.file_uploader(
        "Columns question and answer (or input and target)", [f".{ending}" for ending in ENDINGS], key="upload", on_change=_take, width=420
    )
    if message := st.session_state.pop("upload-error", ""):
        raise DataError(message)


def _take() -> None:
    """Chooses the file as the eval set; a callback, because only there may a widget's value be set."""
    if (file := st.session_state.get("upload")) is None:
        return
    try:
        st.session_state["set"] = keep(calls.workbench().settings, file.name, file.getvalue())
    except DataError as error:
        st.session_state["upload-error"] = str(error)
