"""A pinned state as something to look at: its answer, its lens grid, what made it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from codi_core.figures.text import number
from codi_core.services.inspect import InspectRequest
from codi_core.services.shared.interventions import text_of
from codi_core.services.shared.requests import ConditionRequest
from codi_core.ui.compare.link import Pinned
from codi_core.ui.inspect.examples import FIRST
from codi_core.ui.inspect.link import Setup as InspectSetup
from codi_core.ui.shell import calls
from codi_core.ui.steer import calls as steer_calls
from codi_core.ui.steer.captions import condition as steer_condition
from codi_core.ui.steer.link import Setup as SteerSetup
from codi_core.ui.widgets import own_gold, passes_choice
from codi_core.ui.widgets.lens_choice import DIFFERENCE
from codi_core.values.lens import LensGrid, TrackedToken

DEFAULT = "logit"
"""Lens of a state that names none."""


@dataclass(frozen=True, eq=False)
class State:
    setup: Pinned
    text: str
    """In the tray."""
    title: str
    prompt: str
    answer: str
    right: bool | None
    """None: not known."""
    p_gold: float | None
    margin: float | None
    grid: LensGrid
    tracked: tuple[TrackedToken, ...]
    relations: dict[str, str]
    condition: str
    evaluated: ConditionRequest | None
    """What its accuracy is measured by; None for a state of Inspect."""


def read(letter: str, text: str, setup: Pinned) -> State:
    """Runs the model where the state was not looked at before. Raises what its page would show as an error."""
    model = setup.model or str(st.session_state["model"])
    prompt = setup.prompt or FIRST
    return _steered(letter, text, setup, model, prompt) if isinstance(setup, SteerSetup) else _inspected(letter, text, setup, model, prompt)


def _inspected(letter: str, text: str, setup: InspectSetup, model: str, prompt: str) -> State:
    lens = next((name for name in setup.lenses if name != DIFFERENCE), DEFAULT)
    steps = own_gold.values_of(setup.steps)
    request = InspectRequest(model, prompt, _passes(setup, model), setup.track, (lens,), own=True, gold=setup.gold, steps=steps)
    found = calls.inspection(request)
    right = None if found.outcome is None else found.outcome == "correct"
    gold = number(found.problem.gold) if found.problem else None
    top = next((top for top in found.rollout.top_answers if top.token.strip() == gold), None)
    return State(
        setup=setup,
        text=text,
        title=f"{letter} · {model} · {lens} lens",
        prompt=prompt,
        answer=found.rollout.answer,
        right=right,
        p_gold=top.prob if top else None,
        margin=None,
        grid=found.grids[lens],
        tracked=found.tracked,
        relations=found.relations,
        condition=found.condition,
        evaluated=None,
    )


def _steered(letter: str, text: str, setup: SteerSetup, model: str, prompt: str) -> State:
    passes = _passes(setup, model)
    request = setup.steer(model, prompt, passes, setup.lens, setup.track)
    found = steer_calls.steering(request)
    pane = found.steered
    return State(
        setup=setup,
        text=text,
        title=f"{letter} · {model} · {text_of(setup.methods)}",
        prompt=prompt,
        answer=pane.answer,
        right=None if pane.outcome is None else pane.outcome == "correct",
        p_gold=pane.p_gold,
        margin=pane.margin,
        grid=pane.grids[setup.lens],
        tracked=found.tracked,
        relations={},
        condition=steer_condition(found),
        evaluated=setup.condition(model, passes),
    )


def _passes(setup: Pinned, model: str) -> int:
    """Its own, or as many as the model was trained with."""
    return passes_choice.of(calls.card(model)) if setup.passes is None else setup.passes
