"""Services as pages call them: by `workbench`, results cached by request key, this session's newest request first.

``workbench().call(service, …)`` and ``.stream``: the service may run in this process or, with ``CODI_BACKEND=ray``, in another.
"""

from __future__ import annotations

import logging
import shlex
import uuid
from contextlib import suppress
from dataclasses import replace

import streamlit as st

from codi_core.errors import ArtifactError
from codi_core.services.cards import ModelCard, model_card
from codi_core.services.catalog import SHIPPED, ModelChoice, download, model_choices
from codi_core.services.detect import DetectRequest, tracked_tokens
from codi_core.services.detect import stored_detection as stored_detection_of
from codi_core.services.differences import DifferenceReport, DifferenceRequest, read_differences
from codi_core.services.evaluate import EvalReport, stored_evals
from codi_core.services.influence import InfluenceRequest, KnockOutRequest, influence, knock_out
from codi_core.services.inspect import Inspection, InspectRequest, inspect
from codi_core.services.lenses import lens_menu as lens_menu_of
from codi_core.services.passport import stored_passport
from codi_core.services.patch import PatchRequest, patch
from codi_core.services.questions import QuestionSet, read_set
from codi_core.services.shared.remote import RemoteWorkbench, RemoteWorkbenches, open_workbench
from codi_core.services.shared.workbench import BEHIND, Workbench
from codi_core.services.sparse import SparseRequest, sparse
from codi_core.services.tokens import PromptTokens, prompt_tokens
from codi_core.services.twins import Twin, twin_of
from codi_core.settings import ANY, LOCAL, Settings
from codi_core.ui.shell import line
from codi_core.values.influence import Influence, KnockOut
from codi_core.values.lens import LensOption, LensReadings, TrackedToken
from codi_core.values.model import ModelSpec
from codi_core.values.passport import Passport
from codi_core.values.patching import PatchedPair
from codi_core.values.sparse import SparseReading

_LOG = logging.getLogger(__name__)


def workbench() -> Workbench | RemoteWorkbench:
    """This session's. Raises SettingsError when the backend cannot be had."""
    return opened().session(viewer())


@st.cache_resource(show_spinner=False)
def opened() -> Workbench | RemoteWorkbenches:
    """Of all sessions. Raises SettingsError when the backend cannot be had."""
    return open_workbench(within(Settings.from_env(), st.get_option("server.address")))


def within(settings: Settings, address: str | None) -> Settings:
    """On a server that others reach only what its operator named is opened or fetched: CODI_MODELS, or CODI_MODEL and what ships."""
    if settings.models or address in LOCAL:
        return replace(settings, models=()) if ANY in settings.models else settings
    return replace(settings, models=tuple(dict.fromkeys((settings.model, *SHIPPED))))


def viewer() -> str:
    """Names this session to the worker: its newer request supersedes its older one."""
    return str(st.session_state.setdefault("viewer", uuid.uuid4().hex))


def behind(purpose: str) -> str:
    """This session's viewer for work that lets answers that somebody waits for pass: evaluations, detection, maps."""
    return f"{viewer()}/{BEHIND}{purpose}"


def on_wait() -> None:
    """Called while waiting: a script run that was superseded leaves as soon as it touches the session. The page says where it stands."""
    name = st.session_state.get("viewer")
    if name:
        bench = workbench()
        line.watch(lambda: bench.waiting(name))


def choices() -> tuple[ModelChoice, ...]:
    return workbench().call(model_choices)


def download_model(model: str) -> None:
    with st.spinner(f"Downloading {model}; the server's terminal shows how far it is …", show_time=True):
        workbench().call(download, model)


def card(model: str) -> ModelCard:
    with st.spinner(f"Opening {model} …", show_time=True):
        return _card(model, viewer())


def inspection(request: InspectRequest) -> Inspection:
    return _inspection(request.key, request, viewer())


def influenced(request: InfluenceRequest) -> Influence:
    return _influenced(request.key, request, viewer())


def knocked_out(request: KnockOutRequest) -> KnockOut:
    return _knocked_out(request.key, request, viewer())


def patched(request: PatchRequest) -> PatchedPair:
    return _patched(request.key, request, viewer())


def summed(request: SparseRequest) -> SparseReading:
    return _summed(request.key, request, viewer())


def tokens(model: str, prompt: str) -> PromptTokens:
    return workbench().call(prompt_tokens, model, prompt, viewer(), on_wait=on_wait)


@st.cache_data(max_entries=12, show_spinner="Reading the questions …")
def question_set(name: str, n: int) -> QuestionSet:
    return read_set(name, n)


def detect_request(model: str, eval_set: str, n: int, lens: str, passes: int) -> DetectRequest:
    return DetectRequest(model, eval_set, n, lens=lens, passes=passes)


def stored_detection(request: DetectRequest) -> LensReadings | None:
    return workbench().call(stored_detection_of, request, f"{viewer()}/detect", on_wait=on_wait)


@st.cache_data(max_entries=64, show_spinner=False)
def token_ids(model: str, texts: tuple[str, ...]) -> list[TrackedToken]:
    return workbench().call(tracked_tokens, model, texts, f"{viewer()}/tokens", on_wait=on_wait)


def differences(request: DifferenceRequest) -> DifferenceReport:
    """The first time, the means' questions are rolled out."""
    with st.spinner("Reading the latents of the means' questions …", show_time=True):
        return _differences(request.key, request, viewer())


@st.cache_data(max_entries=8, ttl=30, show_spinner=False)
def twin(model: str) -> Twin | None:
    """The control beside a model; a new one shows up after half a minute."""
    return workbench().call(twin_of, model)


def lens_menu(model: str) -> tuple[LensOption, ...]:
    """Every lens of a model; new ones show up after half a minute."""
    return _lens_menu(model, viewer())


@st.cache_resource(max_entries=8, ttl=30, show_spinner=False)  # shared, nobody changes it: every run of a page reads it, all cards with it
def _lens_menu(model: str, _viewer: str) -> tuple[LensOption, ...]:
    return workbench().call(lens_menu_of, model, f"{_viewer}/lenses", on_wait=on_wait)


@st.cache_data(max_entries=8, ttl=30, show_spinner="Reading stored evaluations …")
def evals(key: str, _model: ModelSpec) -> list[EvalReport]:
    """Stored evaluations of a model; new ones show up after half a minute."""
    return workbench().call(stored_evals, _model)


@st.cache_data(max_entries=8, ttl=30, show_spinner="Looking for the passport …")
def passport(key: str, _model: ModelSpec) -> Passport | None:
    """The stored one; a new one shows up after half a minute. Raises ArtifactError when one has changed."""
    return stored_passport(workbench().store, _model)


@st.cache_data(max_entries=8, show_spinner=False)
def _card(model: str, _viewer: str) -> ModelCard:
    found = workbench().call(model_card, model, f"{_viewer}/card", on_wait=on_wait)
    _say_whether_verified(found)
    return found


def _say_whether_verified(found: ModelCard) -> None:
    """A line in the server's log when a model that was opened has no passport."""
    with suppress(ArtifactError):  # the Model page says so
        if passport(found.key, found.spec) is None:
            _LOG.warning("%s has no passport: python -m codi_core verify %s makes one.", found.name, shlex.quote(found.name))


@st.cache_data(max_entries=64, show_spinner=False)
def _inspection(key: str, _request: InspectRequest, _viewer: str) -> Inspection:
    return workbench().call(inspect, _request, _viewer, on_wait=on_wait)


@st.cache_data(max_entries=32, show_spinner=False)
def _influenced(key: str, _request: InfluenceRequest, _viewer: str) -> Influence:
    return workbench().call(influence, _request, f"{_viewer}/influence", on_wait=on_wait)


@st.cache_data(max_entries=64, show_spinner=False)
def _knocked_out(key: str, _request: KnockOutRequest, _viewer: str) -> KnockOut:
    return workbench().call(knock_out, _request, f"{_viewer}/cut", on_wait=on_wait)


@st.cache_data(max_entries=64, show_spinner=False)
def _patched(key: str, _request: PatchRequest, _viewer: str) -> PatchedPair:
    return workbench().call(patch, _request, f"{_viewer}/patch", on_wait=on_wait)


@st.cache_data(max_entries=32, show_spinner=False)
def _summed(key: str, _request: SparseRequest, _viewer: str) -> SparseReading:
    return workbench().call(sparse, _request, f"{_viewer}/sparse", on_wait=on_wait)


@st.cache_data(max_entries=16, show_spinner=False)
def _differences(key: str, _request: DifferenceRequest, _viewer: str) -> DifferenceReport:
    return workbench().call(read_differences, _request, f"{_viewer}/differences", on_wait=on_wait)
