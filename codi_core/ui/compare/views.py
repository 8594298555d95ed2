"""The pinned states beside each other on one scale, the difference to the first, and one export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from codi_core.errors import CodiError
from codi_core.figures.lens import heatmap, lens_table
from codi_core.figures.paint import ColourBy, Paint, amounts, paint
from codi_core.figures.panels import Panel, difference_panel, token_panel
from codi_core.figures.text import percent
from codi_core.services.effects import compare_conditions
from codi_core.ui.compare import tray
from codi_core.ui.compare.link import BY, MODELS, Setup, setup_of
from codi_core.ui.compare.states import State, read
from codi_core.ui.compare.tray import MOST
from codi_core.ui.shell import calls
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.widgets import linked
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.values.evals import SteeringEffect
from codi_core.values.signs import decimal
from codi_core.values.verdict import points

LETTERS = "ABCD"
LONGEST = 90
"""Characters of a prompt that stand above its grid."""
EMPTY = (
    "Nothing is pinned yet. **Pin** on Inspect or Steer keeps what is on screen: a prompt, a model, a lens, a push. Up to four states "
    "stand here, side by side."
)
EXAMPLE = " As these do, the page's example:"


def show(pins: Sequence[str]) -> None:
    """Where nothing is pinned, the example: no page opens blank."""
    if not pins:
        pins = Setup.example().pins if {choice.name for choice in calls.choices()}.issuperset(MODELS) else ()
        st.markdown(EMPTY + EXAMPLE * bool(pins))
    if not pins:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        by = linked.segmented("Colour by", "by", BY)
        st.space("stretch")
        menu = st.container(width="content")
    states = [state for letter, text in zip(LETTERS, pins, strict=False) if (state := _read(letter, text)) is not None]
    if not states:
        return
    painted = _one_scale(states, by)
    panels = [token_panel(one.title, one.grid, look, one.tracked, one.relations) for one, look in zip(states, painted, strict=True)]
    differences = [_difference(states[0], one, painted[0], look) for one, look in zip(states[1:], painted[1:], strict=True)]
    with st.container(key="compare-grids"):
        rows = [states[:2], states[2:]] if len(states) == MOST else [states]
        places = [place for row in rows for place in st.columns(len(row), gap="small")]
    for number, (place, one, panel) in enumerate(zip(places, states, panels, strict=True)):
        with place:
            _state(one, states[0] if number else None, panel)
    _below(states, differences)
    for one in states:
        st.caption(plain(f"{one.title}: {one.condition}"))
    with menu:
        export_menu(
            "codi-compare",
            lambda: heatmap([*panels, *(d for d in differences if d)], False, "Compared", " | ".join(one.condition for one in states)),
            lambda: [_table(one) for one in states],
            lambda: {"states": [_exported(one) for one in states]},
        )


def _read(letter: str, text: str) -> State | None:
    """What cannot be read is said, and can be dropped."""
    setup = setup_of(text)
    assert setup is not None
    with shown_errors():
        try:
            return read(letter, text, setup)
        except CodiError:
            st.button(f"Drop {letter}", on_click=tray.drop, args=(text,), key=f"drop-{letter}")
            raise
    return None


def _one_scale(states: Sequence[State], by: ColourBy) -> list[Paint]:
    looks = [paint(one.grid, by) for one in states]
    if by == BY[0]:
        return looks
    top = max(float(look.values.max()) for look in looks)
    return [amounts(look.title, look.values, top) for look in looks]


def _difference(first: State, other: State, a: Paint, b: Paint) -> Panel | None:
    """What the other one reads and the first does not; None where their grids have other shapes."""
    if first.grid.entropy.shape != other.grid.entropy.shape:
        return None
    return replace(difference_panel(other.grid, first.grid, b, a), name=f"{other.title[0]} − {first.title[0]}")


def _state(one: State, first: State | None, panel: Panel) -> None:
    letter = one.title[0]
    st.markdown(f"**{plain(one.title)}**")
    shown = one.prompt if len(one.prompt) <= LONGEST else f"{one.prompt[:LONGEST]} …"
    st.caption(plain(shown), help=plain(one.prompt))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(key=f"answer-{letter}", width="content"):
            st.text(one.answer.strip()[:60] or "(empty)")
        if one.right is not None:
            st.badge(
                "correct" if one.right else "wrong",
                icon=f":material/{'check' if one.right else 'close'}:",
                color="green" if one.right else "red",
            )
        one.setup.link("Open", width="content")
        if tray.pinned():
            st.button("Drop", type="tertiary", icon=":material/close:", on_click=tray.drop, args=(one.text,), key=f"drop-{letter}")
    st.caption(_scores(one, first))
    _grid(panel, f"compare-{letter}")


def _scores(one: State, first: State | None) -> str:
    """P(gold), margin, and how they differ from the first state's, where both speak of the same prompt."""
    same = first is not None and first.prompt == one.prompt
    parts = []
    if one.p_gold is not None:
        change = f" ({points(one.p_gold - first.p_gold)} points to A)" if same and first and first.p_gold is not None else ""
        parts.append(f"P(gold) {percent(one.p_gold)}{change}")
    if one.margin is not None:
        change = f" ({decimal(one.margin - first.margin, '+.2f')} to A)" if same and first and first.margin is not None else ""
        parts.append(f"margin {decimal(one.margin, '+.2f')}{change}")
    return " · ".join(parts) or "P(gold) unknown"


def _grid(panel: Panel, key: str) -> None:
    heatgrid(
        panel, chosen=None, flip=False, label=panel.name, key=key, on_pick=lambda index, depth: None, group="compare", hint="hover: more"
    )


def _below(states: Sequence[State], differences: Sequence[Panel | None]) -> None:
    if len(states) < 2:
        st.caption("Pin another state to see the difference.")
        return
    st.header("Difference to A", anchor=False)
    with st.container(key="compare-differences-grids"):
        places = st.columns(len(states) - 1, gap="small")
    for place, other, panel in zip(places, states[1:], differences, strict=True):
        with place:
            if panel is None:
                st.caption("Other numbers of passes or layers: cell by cell there is no difference.")
            else:
                st.markdown(f"**{panel.name}**")
                _grid(panel, f"compare-difference-{other.title[0]}")
            with shown_errors():
                _accuracy(states[0], other)


def _accuracy(first: State, other: State) -> None:
    """Question by question, on demand: it may have to be computed."""
    known = first.evaluated or other.evaluated
    if known is None:
        return
    a, b = (one.evaluated or replace(known, interventions=()) for one in (first, other))
    if (first.setup.model, a.eval_set, a.n, a.seed) != (other.setup.model, b.eval_set, b.n, b.seed):
        st.caption("Their accuracies are of other questions or models: no paired difference.")
        return
    key = f"{a!r} {b!r}"
    found: dict[str, SteeringEffect] = st.session_state.setdefault("compared", {})
    letter = other.title[0]
    if key not in found:
        if not st.button(f"Accuracy of {letter} against A on the eval set", icon=":material/play_arrow:", key=f"accuracy-{letter}"):
            return
        with st.spinner("Answering the eval set both ways …", show_time=True):
            found[key] = calls.workbench().call(compare_conditions, a, b, calls.behind("compare"), on_wait=calls.on_wait)
    effect = found[key]
    paired = effect.paired
    st.markdown(
        plain(
            f"{letter} is right in {effect.steered.value:.1%}, A in {effect.baseline.value:.1%} of {paired.n:,} questions of "
            f"'{a.eval_set}': "
            f"{points(paired.delta)} points ({points(paired.low)} to {points(paired.high)}), {paired.fixed} fixed, {paired.broken} broken."
        )
    )


def _table(one: State) -> pd.DataFrame:
    table = lens_table(one.grid, one.tracked)
    table.insert(0, "state", one.title)
    return table


def _exported(one: State) -> dict[str, object]:
    return {
        "state": one.title,
        "address": one.text,
        "condition": one.condition,
        "prompt": one.prompt,
        "answer": one.answer,
        "right": one.right,
        "p_gold": one.p_gold,
        "margin": one.margin,
    }
