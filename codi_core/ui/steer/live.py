"""What the coefficient does: dial, readout and verdict in the cockpit, and below it lens grids, three answers, and the eval set."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from codi_core.services.shared.commands import condition_command
from codi_core.services.shared.interventions import flags_of
from codi_core.services.shared.requests import ConditionRequest, SteerRequest
from codi_core.services.steer import Steering
from codi_core.ui.shell import url
from codi_core.ui.shell.errors import shown_errors
from codi_core.ui.steer import answers as steer_answers
from codi_core.ui.steer import calls, dial, lens, readout
from codi_core.ui.steer import effect as steer_effect
from codi_core.ui.steer.link import Setup
from codi_core.ui.steer.matrix import Swept
from codi_core.ui.widgets import lens_choice
from codi_core.values.verdict import points


def live(setup: Setup, model: str, prompt: str, passes: int, stored: Swept | None, below: DeltaGenerator) -> None:
    """What takes long is painted last."""
    dose = dial.dose_of(model, setup, passes)
    marks = dial.dial(setup.methods, dose)
    known = _known(setup, stored)
    dial.scale(marks, dose, known)
    answered, accuracy, randoms = (column.empty() for column in st.columns(3, gap="small"))
    progress = steer_effect.progress(accuracy, randoms, optimistic=setup.overlap)
    request = setup.steer(model, prompt, passes, lens_choice.chosen(model).name, tuple(url.read_tracked()))
    stale = st.empty()
    if st.session_state.get("steer-shown") not in (None, request.key):
        stale.badge("Updating: what is below is still for the earlier setting", icon=":material/hourglass_top:", color="orange")
    steering = _steering(request)
    st.session_state["steer-shown"] = request.key
    stale.empty()
    answered.html(readout.answer(steering))
    with below:
        lens.grids(steering)
        steer_answers.panes(steering)
        details = st.container()
    with shown_errors():
        condition = setup.condition(model, passes)
        with below:
            _repeat(steering, condition)
        panel = steer_effect.panel(setup, condition, dose.unit if dose else None, dial.span_of(dose), progress, details)
        dial.scale(marks, dose, known | {alpha: _said(effect.steered.value, effect.total) for alpha, effect in panel.curve.items()})
        panel.show()


def _known(setup: Setup, stored: Swept | None) -> dict[float, str]:
    """What the stored sweep says of this pair, by coefficient."""
    if stored is None:
        return {}
    flags = flags_of(setup.methods[0])
    found = stored.of_pair(int(flags["a"]), int(flags["b"]))
    return {alpha: f"{points(row['delta'])} points in the stored sweep, n = {row['n']:,.0f}" for alpha, row in found.items()}


def _said(accuracy: float, n: int) -> str:
    return f"accuracy {accuracy:.1%}, n = {n:,}"


def _steering(request: SteerRequest) -> Steering:
    """A tracked token the model does not have is said to be so, and left out."""
    if request.tracked:
        with shown_errors():
            return calls.steering(request)
    return calls.steering(replace(request, tracked=()))


def _repeat(steering: Steering, condition: ConditionRequest) -> None:
    """Everything on screen as command lines."""
    with st.expander("Repeat it on the command line", icon=":material/terminal:"):
        st.caption("This prompt")
        st.code(steering.command, language="bash", wrap_lines=True)
        st.caption("The eval set")
        st.code(condition_command(condition), language="bash", wrap_lines=True)
        st.caption("This page as it is: the address in the browser.")
