"""What the coefficient does: slider, three answers, lens grids, and the eval set batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from codi_core.errors import InterventionError
from codi_core.services.effects import ConditionRequest, condition_command
from codi_core.services.steer import Steering, SteerRequest, VectorInfo
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.limits import MAX_COEFFICIENT
from codi_core.steering.methods import Method
from codi_core.ui import state, steer_answers, steer_calls, steer_effect, steer_lens, steer_state
from codi_core.ui.errors import shown_errors
from codi_core.ui.steer_state import Setup

RANGES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, MAX_COEFFICIENT)
UNITS = {"raw": "α", "dose": "dose"}


@dataclass(frozen=True)
class Dose:
    """How a coefficient compares with what stands at the site."""

    unit: float
    """‖v‖ / ‖site‖; of keys and values the larger, of several indices the largest."""
    parts: tuple[tuple[str, float], ...]
    """The same by name: index, and for the KV cache keys and values."""


def live(setup: Setup, model: str, prompt: str, passes: int, below: DeltaGenerator) -> None:
    """Slider, answers, eval set; and ``below`` the lens grids. What takes long is painted last."""
    dose = _dose(model, setup, passes)
    _coefficient(setup.methods, dose)
    stale, answers, effect = st.empty(), st.container(), st.container()
    request = setup.steer(model, prompt, passes, steer_lens.chosen_lens(model), tuple(state.read_tracked()))
    if st.session_state.get("steer-shown") not in (None, request.key):
        stale.badge("Updating: what is below is still for the earlier setting", icon=":material/hourglass_top:", color="orange")
    steering = _steering(request)
    st.session_state["steer-shown"] = request.key
    stale.empty()
    with answers:
        steer_answers.panes(steering)
    with below:
        steer_lens.grids(steering)
    with effect, shown_errors():
        condition = setup.condition(model, passes)
        with below:
            _repeat(steering, condition)
        steer_effect.effect(setup, condition, dose.unit if dose else None, _span(_alpha(setup.methods), dose))


def _steering(request: SteerRequest) -> Steering:
    """A tracked token the model does not have is said to be so, and left out."""
    if request.tracked:
        with shown_errors():
            return steer_calls.steering(request)
    return steer_calls.steering(replace(request, tracked=()))


def _dose(model: str, setup: Setup, passes: int) -> Dose | None:
    """None for interventions that add no vector, or none that exists: the answers' refusal says why."""
    if len(setup.methods) != 1 or not isinstance(method := setup.methods[0], Hidden | KV):
        return None
    try:
        info = steer_calls.vector(model, method.source, method.place, setup.means, passes)
    except InterventionError:
        return None
    parts = [(_name(method, index, part), ratio) for index in method.indices for part, ratio in _ratios(info, method, index)]
    return Dose(max((ratio for _, ratio in parts), default=0.0), tuple(parts))


def _ratios(info: VectorInfo, method: Hidden | KV, index: int) -> list[tuple[int, float]]:
    weights = (method.key_weight, method.value_weight) if isinstance(method, KV) else (1.0,)
    if index >= len(info.site_norms):
        return []
    pairs = zip(info.vector.norms, info.site_norms[index], weights, strict=True)
    return [(part, abs(weight) * norm / site if site else 0.0) for part, (norm, site, weight) in enumerate(pairs)]


def _name(method: Method, index: int, part: int) -> str:
    where = f" at {index}" if len(method.indices) > 1 else ""
    return (("keys", "values")[part] if isinstance(method, KV) else "dose") + where


def _coefficient(methods: tuple[Method, ...], dose: Dose | None) -> None:
    """α in the URL; the slider shows it, or the dose it makes."""
    unit = dose.unit if dose and dose.unit > 0 and state.read("unit", "raw") == "dose" else 1.0
    alpha = _alpha(methods)
    span = _span(alpha, dose) if unit == 1.0 else next((r for r in RANGES if r >= max(2.0, abs(alpha) * unit)), MAX_COEFFICIENT)
    step = span / 100 if span <= 2 else span / 50
    for name in ("slider", "number"):
        st.session_state[f"steer-{name}"] = _rounded(alpha * unit)

    def moved(name: str) -> None:
        value = float(st.session_state[f"steer-{name}"])
        steer_state.write_coefficient(_rounded(max(-MAX_COEFFICIENT, min(MAX_COEFFICIENT, value / unit))))

    with st.container(key="steer-dial", horizontal=True, vertical_alignment="bottom", gap="small"):
        label = "Coefficient α" if unit == 1.0 else "Dose ‖αv‖ / ‖site‖"
        st.slider(label, -span, span, step=step, format="%+.3g", key="steer-slider", on_change=moved, args=("slider",))
        st.number_input(
            "Exactly", step=step, format="%.4g", key="steer-number", on_change=moved, args=("number",), width=120, label_visibility="hidden"
        )
        st.button("0", key="steer-zero", help="No push at all: the baseline", on_click=steer_state.write_coefficient, args=(0.0,))
        st.button("±", key="steer-flip", help="The opposite direction", on_click=steer_state.write_coefficient, args=(-alpha,))
        if dose:
            st.session_state["steer-unit"] = state.read("unit", "raw") if state.read("unit", "raw") in UNITS else "raw"
            st.segmented_control(
                "Unit",
                list(UNITS),
                format_func=lambda name: UNITS[name],
                required=True,
                wrap=True,
                key="steer-unit",
                on_change=lambda: state.write("unit", st.session_state["steer-unit"]),
                help="dose: length of the push over the mean length of what stands there.",
            )
    if dose:
        shares = " · ".join(f"{name} {abs(alpha) * ratio:.2f}" for name, ratio in dose.parts)
        full = 1 / dose.unit if dose.unit else 0.0
        hint = f"suggested up to |α| = {full:.2g}, where the push is as long as what stands there" if dose.unit else "the vector is zero"
        st.caption(f"α = {alpha:g} · ‖αv‖ / ‖site‖: {shares} · {hint}")


def _span(alpha: float, dose: Dose | None) -> float:
    """Half the slider, in coefficients: twice the push that is as long as what stands there, and room for ``alpha``."""
    full = 1 / dose.unit if dose and dose.unit > 0 else 1.0
    return next((limit for limit in RANGES if limit >= max(abs(alpha), 2 * full)), MAX_COEFFICIENT)


def _alpha(methods: tuple[Method, ...]) -> float:
    return float(getattr(methods[0], "coefficient", 0.0))


def _rounded(value: float) -> float:
    """Four figures: what a slider can mean."""
    return float(f"{value:.4g}")


def _repeat(steering: Steering, condition: ConditionRequest) -> None:
    """Everything on screen as command lines."""
    with st.expander("Repeat it on the command line", icon=":material/terminal:"):
        st.caption("This prompt")
        st.code(steering.command, language="bash", wrap_lines=True)
        st.caption("The eval set")
        st.code(condition_command(condition), language="bash", wrap_lines=True)
        st.caption("This page as it is: the address in the browser.")
