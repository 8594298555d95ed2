"""Steering services as the page calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import streamlit as st

from codi_core.services.bundle import bundle_condition
from codi_core.services.effects import ConditionRequest, Flip, evaluate_condition, flips, visited
from codi_core.services.steer import MeansRequest, Steering, SteerRequest, VectorInfo, VectorRequest, steer, vector_info
from codi_core.steering.vectors import Difference, Place, Source
from codi_core.types import SteeringEffect
from codi_core.ui.calls import poke, viewer, workbench


def steering(request: SteerRequest) -> Steering:
    return _steering(request.key, request, viewer())


def vector(model: str, source: Source, place: Place, means: MeansRequest, passes: int) -> VectorInfo:
    """The first time, the means' questions are rolled out."""
    request = VectorRequest(model, source, place, means, passes)
    with st.spinner("Reading the latents of the means' questions …", show_time=True):
        return _vector(repr(request), request, viewer())


def norms(model: str, place: Place, means: MeansRequest, passes: int) -> VectorInfo:
    """Lengths of all differences do not depend on a pair: any will do."""
    return vector(model, Difference(0, 1), place, means, passes)


def effects(request: ConditionRequest) -> Iterator[SteeringEffect]:
    """Better and better; a superseded script run leaves while it waits, and with it the work."""
    return workbench().stream(evaluate_condition, request, f"{viewer()}/effect", poke=poke)


def known(request: ConditionRequest, coefficients: Sequence[float]) -> dict[float, SteeringEffect]:
    """What was run before at these coefficients, in this session or any other."""
    return workbench().call(visited, request, coefficients, f"{viewer()}/effect", poke=poke)


def flipped(request: ConditionRequest, effect: SteeringEffect) -> list[Flip]:
    return _flipped(effect.key, effect.baseline_key, effect.done, request, effect)


def bundler(request: ConditionRequest) -> Callable[[], bytes]:
    """Makes the .zip when its button is pressed, which is outside of any script run: the session is asked here."""
    bench, name = workbench(), f"{viewer()}/bundle"
    return lambda: bench.call(bundle_condition, request, name)[1]


@st.cache_data(max_entries=64, show_spinner=False)
def _steering(key: str, _request: SteerRequest, _viewer: str) -> Steering:
    return workbench().call(steer, _request, f"{_viewer}/steer", poke=poke)


@st.cache_data(max_entries=128, show_spinner=False)
def _vector(key: str, _request: VectorRequest, _viewer: str) -> VectorInfo:
    return workbench().call(vector_info, _request, f"{_viewer}/vector", poke=poke)


@st.cache_data(max_entries=64, show_spinner=False)
def _flipped(key: str, baseline: str, done: int, _request: ConditionRequest, _effect: SteeringEffect) -> list[Flip]:
    return list(workbench().call(flips, _request, _effect))
