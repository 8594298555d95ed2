"""Steering services as the page calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import streamlit as st

from codi_core.services.bundle import bundle_condition
from codi_core.services.effects import Flip, evaluate_condition, flips, visited
from codi_core.services.shared.interventions import Difference, Method, VectorSpace
from codi_core.services.shared.requests import ConditionRequest, DoseRequest, MeansRequest, SteerRequest, VectorRequest
from codi_core.services.steer import Steering, steer
from codi_core.services.vectors import VectorInfo, vector_info
from codi_core.services.vectors import doses as vector_doses
from codi_core.ui.shell.calls import behind, on_wait, viewer, workbench
from codi_core.values.evals import SteeringEffect


def steering(request: SteerRequest) -> Steering:
    return _steering(request.key, request, viewer())


def doses(model: str, method: Method, means: MeansRequest, passes: int) -> dict[int, dict[str, float]]:
    """By index, by name. The first time, the means' questions are rolled out."""
    request = DoseRequest(model, method, means, passes)
    with st.spinner("Reading the latents of the means' questions …", show_time=True):
        return _doses(repr(request), request, viewer())


def norms(model: str, place: VectorSpace, means: MeansRequest, passes: int) -> VectorInfo:
    """Lengths of all differences. They do not depend on a pair: any will do."""
    request = VectorRequest(model, Difference(0, 1), place, means, passes)
    return _vector(repr(request), request, viewer())


def effects(request: ConditionRequest) -> Iterator[SteeringEffect]:
    """Better and better; a superseded script run leaves while it waits, and with it the work."""
    return workbench().stream(evaluate_condition, request, behind("effect"), on_wait=on_wait)


def known(request: ConditionRequest, coefficients: Sequence[float]) -> dict[float, SteeringEffect]:
    """What was run before at these coefficients, in this session or any other."""
    return workbench().call(visited, request, coefficients, f"{viewer()}/effect", on_wait=on_wait)


def flipped(request: ConditionRequest, effect: SteeringEffect) -> list[Flip]:
    return _flipped(effect.key, effect.baseline_key, effect.done, request, effect)


def bundler(request: ConditionRequest) -> Callable[[], bytes]:
    """Makes the .zip when its button is pressed, which is outside of any script run: the session is asked here."""
    bench, name = workbench(), behind("bundle")
    return lambda: bench.call(bundle_condition, request, name)[1]


@st.cache_data(max_entries=64, show_spinner=False)
def _steering(key: str, _request: SteerRequest, _viewer: str) -> Steering:
    return workbench().call(steer, _request, f"{_viewer}/steer", on_wait=on_wait)


@st.cache_data(max_entries=128, show_spinner=False)
def _doses(key: str, _request: DoseRequest, _viewer: str) -> dict[int, dict[str, float]]:
    return workbench().call(vector_doses, _request, f"{_viewer}/vector", on_wait=on_wait)


@st.cache_data(max_entries=128, show_spinner=False)
def _vector(key: str, _request: VectorRequest, _viewer: str) -> VectorInfo:
    return workbench().call(vector_info, _request, f"{_viewer}/vector", on_wait=on_wait)


@st.cache_data(max_entries=64, show_spinner=False)
def _flipped(key: str, baseline: str, done: int, _request: ConditionRequest, _effect: SteeringEffect) -> list[Flip]:
    return list(workbench().call(flips, _request, _effect))
