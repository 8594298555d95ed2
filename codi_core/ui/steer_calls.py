"""Steering services as the page calls them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import streamlit as st

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
    return evaluate_condition(workbench(), request, f"{viewer()}/effect", poke)


def known(request: ConditionRequest, coefficients: Sequence[float]) -> dict[float, SteeringEffect]:
    """What was run before at these coefficients, in this session or any other."""
    return visited(workbench(), request, coefficients, f"{viewer()}/effect", poke)


def flipped(request: ConditionRequest, effect: SteeringEffect) -> list[Flip]:
    return _flipped(effect.key, effect.baseline_key, effect.done, request, effect)


@st.cache_data(max_entries=64, show_spinner=False)
def _steering(key: str, _request: SteerRequest, _viewer: str) -> Steering:
    return steer(workbench(), _request, f"{_viewer}/steer", poke)


@st.cache_data(max_entries=128, show_spinner=False)
def _vector(key: str, _request: VectorRequest, _viewer: str) -> VectorInfo:
    return vector_info(workbench(), _request, f"{_viewer}/vector", poke)


@st.cache_data(max_entries=64, show_spinner=False)
def _flipped(key: str, baseline: str, done: int, _request: ConditionRequest, _effect: SteeringEffect) -> list[Flip]:
    found: Any = flips(workbench(), _request, _effect)
    return list(found)
