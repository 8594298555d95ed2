"""The intervention as a form: the fields of its spec as they describe themselves; every change is written to the URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from codi_core.services.cards import ModelCard
from codi_core.services.shared.interventions import METHODS, PRESETS, SOURCES, Counts, Field, Method, fields_of
from codi_core.ui.shell import url
from codi_core.ui.steer import link
from codi_core.ui.steer.link import Flags, Setup
from codi_core.ui.widgets import linked

NUMBERS_ABREAST, CHOICES_ABREAST = 9, 3
"""More become a list."""


IN_COCKPIT = ("indices",)
"""Fields that stand beside the site; the others are in the setup."""


def site(setup: Setup, card: ModelCard, passes: int) -> dict[str, DeltaGenerator]:
    """The method and where it acts. Where an error of a field is to be shown, by its name."""
    method = setup.methods[0]
    flags = link.options(method)
    if st.session_state.get("steer-kind") != method.kind:  # what is set goes to the browser, and would undo a click made meanwhile
        st.session_state["steer-kind"] = method.kind
    here = Form(flags, card, passes, {})
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        with st.container(width="content"):
            st.segmented_control(
                "Site",
                list(METHODS),
                format_func=lambda kind: METHODS[kind].label,
                required=True,
                wrap=True,
                key="steer-kind",
                on_change=linked.taken("steer-kind", lambda kind: link.write_flags({}, kind)),
            )
        for field in _fields(method, flags):
            if field.name in IN_COCKPIT:
                with st.container(width="content"):
                    here.widget(field)
    return here.beside


def form(setup: Setup, card: ModelCard, passes: int) -> None:
    """Everything else about the intervention."""
    _presets(setup, card)
    if len(setup.methods) > 1:
        st.info("This link combines several interventions. The coefficient scales them together; choosing anything here starts over.")
        st.code(url.read("steer"), language=None, wrap_lines=True)
    method = setup.methods[0]
    flags = link.options(method)
    fields = [field for field in _fields(method, flags) if field.name not in IN_COCKPIT]
    here = Form(flags, card, passes, {})
    here.fields([field for field in fields if field.option.shown == "form"])
    if more := [field for field in fields if field.option.shown == "more"]:
        changed = sum(flags[field.name] != field.default for field in more)
        with st.expander(", ".join(field.option.label for field in more) + (f" · {changed} set" if changed else "")):
            here.fields(more)


def _fields(method: Method, flags: Flags) -> list[Field]:
    return [field for field in fields_of(METHODS[method.kind]) if field.applies(flags)]


def _presets(setup: Setup, card: ModelCard) -> None:
    st.session_state["steer-preset"] = setup.preset
    st.selectbox(
        "Preset",
        list(PRESETS),
        placeholder="A setting of your own",
        format_func=lambda name: PRESETS[name].title,
        key="steer-preset",
        help="\n\n".join(f"**{preset.title}**: {preset.text}" for preset in PRESETS.values()),
        on_change=linked.taken("steer-preset", lambda name: link.write_preset(name, card.is_ours)),
    )


@dataclass(frozen=True)
class Form:
    """What its fields need to know."""

    flags: Flags
    card: ModelCard
    passes: int
    beside: dict[str, DeltaGenerator]

    def fields(self, fields: Sequence[Field]) -> None:
        """One below the other, two halves abreast, and below a source its own."""
        left = list(fields)
        while left:
            field = left.pop(0)
            if field.option.half and left and left[0].option.half:
                for place, half in zip(st.columns(2, vertical_alignment="bottom"), (field, left.pop(0)), strict=True):
                    with place:
                        self.widget(half)
            else:
                self.widget(field)
            if field.type == "source":
                own = fields_of(SOURCES[self.flags[field.name]])
                self.fields([one for one in own if one.applies(self.flags)])

    def widget(self, field: Field) -> None:
        name, text, label = field.name, self.flags[field.name], field.option.label
        key = f"steer-field-{name}"
        common: dict[str, Any] = {"key": key, "help": field.option.about or None, "on_change": linked.taken(key, partial(_changed, name))}
        if field.option.counts is not None:
            taken = self.flags.get(field.option.apart, "")
            offered = [n for n in _range(field.option.counts, self.passes, self.card) if str(n) != taken or text == taken]
            _numbers(field, text, offered, common)
        elif field.choices:
            st.session_state[key] = text
            if field.type == "source" or len(field.choices) > CHOICES_ABREAST:
                st.selectbox(label, list(field.choices), format_func=field.called, **common)
            else:
                st.segmented_control(label, list(field.choices), format_func=field.called, required=True, wrap=True, **common)
        elif field.type == "switch":
            st.session_state[key] = text == "True"
            st.toggle(label, **common)
        elif field.type in ("number", "whole"):
            whole = field.type == "whole"
            st.session_state[key] = int(text or 0) if whole else float(text or 0)
            st.number_input(label, step=1 if whole else 0.5, **common)
        else:
            st.session_state[key] = text
            st.text_input(label, **common)
        self.beside[name] = st.empty()


def _numbers(field: Field, text: str, numbers: Sequence[int], common: dict[str, Any]) -> None:
    """One or several of a few whole numbers."""
    label, many = field.option.label, field.type == "list"
    chosen = [int(part) for part in text.split(",") if part]
    st.session_state[common["key"]] = chosen if many else int(text) if text.isdecimal() else None
    if len(numbers) > NUMBERS_ABREAST:
        choose: Any = st.multiselect if many else st.selectbox
        choose(label, numbers, **common)
    elif many:
        st.pills(label, numbers, selection_mode="multi", wrap=True, **common)
    else:
        st.segmented_control(label, numbers, required=True, wrap=True, **common)


def _range(counts: Counts, passes: int, card: ModelCard) -> range:
    return {
        "index": range(passes + 1),
        "layer": range(card.n_layers),
        "depth": range(1, card.n_layers + 1),
        "head": range(card.n_kv_heads),
    }[counts]


def _changed(name: str, value: Any) -> None:
    text = ",".join(map(str, sorted(value))) if isinstance(value, list) else f"{value}"
    link.write_flags({name: text})
