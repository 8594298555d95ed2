"""Services as pages call them: by `workbench`, results cached by request key, this session's newest request first.

``workbench().call(service, …)`` and ``.stream``: the service may run in this process or, with ``CODI_BACKEND=ray``, in another.
"""

from __future__ import annotations

import uuid

import streamlit as st

from codi_core.problems.evalsets import load_eval_set
from codi_core.services.cards import ModelCard, model_card
from codi_core.services.catalog import ModelChoice, download, model_choices
from codi_core.services.detect import DetectRequest, tracked_tokens
from codi_core.services.detect import stored_detection as stored_detection_of
from codi_core.services.differences import DifferenceReport, DifferenceRequest, read_differences
from codi_core.services.evaluate import EvalReport, stored_evals
from codi_core.services.inspect import Inspection, InspectRequest, inspect
from codi_core.services.lenses import lens_cards as lens_cards_of
from codi_core.services.remote import RemoteWorkbench, RemoteWorkbenches, open_workbench
from codi_core.services.tokens import PromptTokens, prompt_tokens
from codi_core.services.workbench import Workbench
from codi_core.settings import Settings
from codi_core.types import EvalSetSpec, LensCard, LensReadings, ModelSpec, Question, TrackedToken


def workbench() -> Workbench | RemoteWorkbench:
    """This session's. Raises SettingsError when the backend cannot be had."""
    return _opened().seat(viewer())


@st.cache_resource(show_spinner="Opening the workbench …")
def _opened() -> Workbench | RemoteWorkbenches:
    return open_workbench(Settings.from_env())


def viewer() -> str:
    """Names this session to the worker: its newer request supersedes its older one."""
    return str(st.session_state.setdefault("viewer", uuid.uuid4().hex))


def poke() -> None:
    """Called while waiting: a script run that was superseded leaves as soon as it touches the session."""
    st.session_state.get("viewer")


def choices() -> tuple[ModelChoice, ...]:
    return workbench().call(model_choices)


def bring(model: str) -> None:
    with st.spinner(f"Downloading {model}; the server's terminal shows how far it is …", show_time=True):
        workbench().call(download, model)


def card(model: str) -> ModelCard:
    with st.spinner(f"Opening {model} …", show_time=True):
        return _card(model, viewer())


def inspection(request: InspectRequest) -> Inspection:
    return _inspection(request.key, request, viewer())


def request(model: str, prompt: str, passes: int, tracked: tuple[str, ...] = ()) -> InspectRequest:
    return InspectRequest(model, prompt, passes, tracked)


def tokens(model: str, prompt: str) -> PromptTokens:
    return workbench().call(prompt_tokens, model, prompt, viewer(), poke=poke)


@st.cache_data(max_entries=12, show_spinner="Reading the questions …")
def eval_set(name: str, n: int) -> tuple[EvalSetSpec, tuple[Question, ...]]:
    return load_eval_set(name, n)


def detect_request(model: str, eval_set: str, n: int, lens: str) -> DetectRequest:
    return DetectRequest(model, eval_set, n, lens=lens)


def stored_detection(request: DetectRequest) -> LensReadings | None:
    return workbench().call(stored_detection_of, request, f"{viewer()}/detect", poke=poke)


@st.cache_data(max_entries=64, show_spinner=False)
def token_ids(model: str, texts: tuple[str, ...]) -> list[TrackedToken]:
    return workbench().call(tracked_tokens, model, texts, f"{viewer()}/tokens", poke=poke)


def differences(request: DifferenceRequest) -> DifferenceReport:
    """The first time, the means' questions are rolled out."""
    with st.spinner("Reading the latents of the means' questions …", show_time=True):
        return _differences(request.key, request, viewer())


def lens_cards(model: str) -> list[LensCard]:
    return _lens_cards(model, viewer())


@st.cache_data(max_entries=8, ttl=30, show_spinner=False)
def _lens_cards(model: str, _viewer: str) -> list[LensCard]:
    """New lenses show up after half a minute."""
    return workbench().call(lens_cards_of, model, f"{_viewer}/lenses", poke=poke)


@st.cache_data(max_entries=8, ttl=30, show_spinner="Reading stored evaluations …")
def evals(key: str, _model: ModelSpec) -> list[EvalReport]:
    """Stored evaluations of a model; new ones show up after half a minute."""
    return workbench().call(stored_evals, _model)


@st.cache_data(max_entries=8, show_spinner=False)
def _card(model: str, _viewer: str) -> ModelCard:
    return workbench().call(model_card, model, f"{_viewer}/card", poke=poke)


@st.cache_data(max_entries=64, show_spinner=False)
def _inspection(key: str, _request: InspectRequest, _viewer: str) -> Inspection:
    return workbench().call(inspect, _request, _viewer, poke=poke)


@st.cache_data(max_entries=16, show_spinner=False)
def _differences(key: str, _request: DifferenceRequest, _viewer: str) -> DifferenceReport:
    return workbench().call(read_differences, _request, f"{_viewer}/differences", poke=poke)
