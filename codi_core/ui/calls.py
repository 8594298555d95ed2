"""Services as pages call them: one workbench a process, results cached by request key, this session's newest request first."""

from __future__ import annotations

import uuid

import streamlit as st

from codi_core.problems.evalsets import load_eval_set
from codi_core.services.cards import ModelCard, model_card
from codi_core.services.catalog import ModelChoice, download, model_choices
from codi_core.services.detect import DetectRequest, tracked_tokens
from codi_core.services.detect import stored_detection as stored_detection_of
from codi_core.services.evaluate import EvalReport, stored_evals
from codi_core.services.inspect import Inspection, InspectRequest, inspect
from codi_core.services.lenses import lens_cards as lens_cards_of
from codi_core.services.tokens import PromptTokens, prompt_tokens
from codi_core.services.workbench import Workbench
from codi_core.settings import Settings
from codi_core.types import EvalSetSpec, LensCard, LensReadings, ModelSpec, Question, TrackedToken


@st.cache_resource(show_spinner=False)
def workbench() -> Workbench:
    return Workbench(Settings.from_env())


def viewer() -> str:
    """Names this session to the worker: its newer request supersedes its older one."""
    return str(st.session_state.setdefault("viewer", uuid.uuid4().hex))


def poke() -> None:
    """Called while waiting: a script run that was superseded leaves as soon as it touches the session."""
    st.session_state.get("viewer")


def choices() -> tuple[ModelChoice, ...]:
    return model_choices(workbench().settings)


def bring(model: str) -> None:
    with st.spinner(f"Downloading {model}; the server's terminal shows how far it is …", show_time=True):
        download(model)


def card(model: str) -> ModelCard:
    with st.spinner(f"Opening {model} …", show_time=True):
        return _card(model, viewer())


def inspection(request: InspectRequest) -> Inspection:
    return _inspection(request.key, request, viewer())


def request(model: str, prompt: str, passes: int, tracked: tuple[str, ...] = ()) -> InspectRequest:
    return InspectRequest(model, prompt, passes, tracked)


def tokens(model: str, prompt: str) -> PromptTokens:
    return prompt_tokens(workbench(), model, prompt, viewer(), poke)


@st.cache_data(max_entries=12, show_spinner="Reading the questions …")
def eval_set(name: str, n: int) -> tuple[EvalSetSpec, tuple[Question, ...]]:
    return load_eval_set(name, n)


def detect_request(model: str, eval_set: str, n: int, lens: str) -> DetectRequest:
    return DetectRequest(model, eval_set, n, lens=lens)


def stored_detection(request: DetectRequest) -> LensReadings | None:
    return stored_detection_of(workbench(), request, f"{viewer()}/detect", poke)


@st.cache_data(max_entries=64, show_spinner=False)
def token_ids(model: str, texts: tuple[str, ...]) -> list[TrackedToken]:
    return tracked_tokens(workbench(), model, texts, f"{viewer()}/tokens", poke)


def lens_cards(model: str) -> list[LensCard]:
    return _lens_cards(model, viewer())


@st.cache_data(max_entries=8, ttl=30, show_spinner=False)
def _lens_cards(model: str, _viewer: str) -> list[LensCard]:
    """New lenses show up after half a minute."""
    return lens_cards_of(workbench(), model, f"{_viewer}/lenses", poke)


@st.cache_data(max_entries=8, ttl=30, show_spinner="Reading stored evaluations …")
def evals(key: str, _model: ModelSpec) -> list[EvalReport]:
    """Stored evaluations of a model; new ones show up after half a minute."""
    return stored_evals(workbench(), _model)


@st.cache_data(max_entries=8, show_spinner=False)
def _card(model: str, _viewer: str) -> ModelCard:
    return model_card(workbench(), model, f"{_viewer}/card", poke)


@st.cache_data(max_entries=64, show_spinner=False)
def _inspection(key: str, _request: InspectRequest, _viewer: str) -> Inspection:
    return inspect(workbench(), _request, _viewer, poke)
