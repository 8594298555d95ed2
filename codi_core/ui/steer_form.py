"""The intervention as a form: its spec's own fields, labelled; every change is written to the URL."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from codi_core.errors import ArtifactError, DataError, InterventionError
from codi_core.figures.paint import amounts
from codi_core.problems.evalsets import EVAL_SETS
from codi_core.services.cards import ModelCard
from codi_core.services.steer import VectorInfo
from codi_core.services.uploads import ENDINGS, keep
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.methods import METHODS, Field, Method, fields_of, flags_of
from codi_core.steering.presets import PRESETS
from codi_core.steering.vectors import SOURCES
from codi_core.ui import calls, state, steer_calls, steer_state
from codi_core.ui.errors import plain
from codi_core.ui.heatgrid import draw
from codi_core.ui.steer_state import MEANS_SETS, SIZES, Flags, Setup

KINDS = {"hidden": "Hidden state", "kv": "KV cache", "replacement": "Replace"}
LABELS = {
    "source": ("Direction", "What is added, times the coefficient α."),
    "like": ("As long as", "The random direction gets the length of this one."),
    "a": ("A", "Index of the first mean latent; 0 is the end of the prompt."),
    "b": ("B", "Index of the second mean latent."),
    "sign": ("Reading of “A−B”", "The posts' code adds mean B − mean A; their text reads the other way round."),
    "indices": ("At index", "Latents that are edited, each in the same way. Index k is latent pass k."),
    "space": ("Space", "z: after the projection. h: before it. resid: the residual stream after a block. kv: the cache slot."),
    "vector_space": ("Vector from", "The posts add a difference of h, before the projection, to z, after it."),
    "layer": ("After block", "Depth of the residual stream; the last one is the output."),
    "layers": ("Layers", "Of the KV cache. None chosen: all."),
    "heads": ("KV heads", "None chosen: all."),
    "then": ("Then", "Continue with the remaining passes, or stop: run no more passes than the edit needs, then answer."),
    "key_weight": ("Keys ×", "The keys' coefficient is α times this; 0 leaves the keys alone."),
    "value_weight": ("Values ×", "The values' coefficient is α times this; 0 leaves the values alone."),
    "raw": ("Raw keys", "Average keys as they lie in the cache, rotated by their positions, as the posts did."),
    "by": ("By", "What is put in the latent's place."),
    "donor": ("Donor prompt", "Empty: for every question another one of the eval set, with another answer."),
    "index": ("Mean at index", "Where the mean latent is taken."),
    "value": ("Step value", "Prompts whose step has this value."),
    "step": ("Step", "Which reasoning step, from 1; −1 is the answer."),
    "rank": ("Component", "1 = the direction of largest variance."),
    "seed": ("Seed", "Another number, another random draw."),
    "matched": ("Matched", "norm: any direction of that length. covariance: one along which latents vary."),
}
NAMES = {
    "difference": "Difference of means B − A",
    "random": "Random",
    "shuffled": "Shuffled steps",
    "component": "Principal component",
    "content": "Content: a wanted step value",
    "B-A": "B − A (code)",
    "A-B": "A − B (text)",
    "continue": "Continue to the last pass",
    "stop": "Stop, then answer",
    "same": "Same space",
    "h": "h",
    "zero": "Zeros",
    "mean": "The mean latent",
    "gaussian": "A Gaussian draw",
    "resample": "A latent of the means' questions",
    "donor": "Another prompt's latent",
}
HALF = {"layer", "seed", "step", "value", "rank", "key_weight", "value_weight", "raw", "matched", "index"}
"""Fields that share a line with their neighbour."""


def form(setup: Setup, card: ModelCard, passes: int) -> None:
    _presets(setup)
    if len(setup.methods) > 1:
        st.info("This link combines several interventions. The coefficient scales them together; choosing anything here starts over.")
        st.code(state.read("steer"), language=None, wrap_lines=True)
    method = setup.methods[0]
    flags = steer_state.options(method)
    if st.session_state.get("steer-kind") != method.kind:  # what is set goes to the browser, and would undo a click made meanwhile
        _seed("kind", method.kind)
    st.segmented_control(
        "Site",
        list(KINDS),
        format_func=lambda kind: KINDS[kind],
        required=True,
        wrap=True,
        key="steer-kind",
        on_change=lambda: steer_state.write_flags({}, st.session_state["steer-kind"]),
    )
    _fields(METHODS[method.kind], flags, card, passes, skip={"coefficient", *_advanced(method, flags)})
    _advanced_fields(method, flags, card, passes)


def _presets(setup: Setup) -> None:
    st.session_state["steer-preset"] = setup.preset
    st.selectbox(
        "Preset",
        list(PRESETS),
        placeholder="A setting of your own",
        format_func=lambda name: PRESETS[name].title,
        key="steer-preset",
        help="\n\n".join(f"**{preset.title}**: {preset.text}" for preset in PRESETS.values()),
        on_change=_apply,
    )
    if setup.overlap:
        st.badge("means from the evaluated questions, as in the post: optimistic", icon=":material/warning:", color="orange")


def _apply() -> None:
    if name := st.session_state["steer-preset"]:
        steer_state.write_preset(name)


def _advanced(method: Method, flags: Flags) -> set[str]:
    """Fields that most people leave alone; those in use stay in sight."""
    rare = {"vector_space", "layers", "heads", "key_weight", "value_weight", "raw", "seed", "donor"}
    if method.kind == "replacement":
        used = {"seed"} & ({"seed"} if flags["by"] in ("gaussian", "resample", "shuffled", "donor") else set())
        unused = {"step", "value"} if flags["by"] != "content" else set()
        cache = set() if flags["space"] == "kv" else {"layers", "heads"}
        return (rare - used) | unused | cache
    return rare - ({"seed"} if flags.get("source") in ("random", "shuffled") else set())


def _advanced_fields(method: Method, flags: Flags, card: ModelCard, passes: int) -> None:
    spec = METHODS[method.kind]
    wanted = _advanced(method, flags)
    if method.kind == "replacement":
        wanted -= {"step", "value"} | ({"layers", "heads"} if flags["space"] != "kv" else set())
    names = {field.name for field in fields_of(spec)} & wanted
    changed = {name for name in names if flags[name] != next(field.default for field in fields_of(spec) if field.name == name)}
    title = "Layers, heads, keys and values" if method.kind == "kv" else "More"
    with st.expander(title + (f" · {len(changed)} set" if changed else "")):
        _fields(spec, flags, card, passes, skip={field.name for field in fields_of(spec)} - names)


def _fields(spec: type, flags: Flags, card: ModelCard, passes: int, skip: set[str] | frozenset[str] = frozenset()) -> None:
    fields = [field for field in fields_of(spec) if field.name not in skip and _applies(field, flags)]
    while fields:
        field = fields.pop(0)
        if field.name in HALF and fields and fields[0].name in HALF:
            left, right = st.columns(2, vertical_alignment="bottom")
            with left:
                _widget(field, flags, card, passes)
            with right:
                _widget(fields.pop(0), flags, card, passes)
        else:
            _widget(field, flags, card, passes)
        if field.type == "source":
            _fields(SOURCES[flags[field.name]], flags, card, passes)


def _applies(field: Field, flags: Flags) -> bool:
    return field.name != "layer" or flags.get("space") == "resid"


def _widget(field: Field, flags: Flags, card: ModelCard, passes: int) -> None:
    name, text = field.name, flags[field.name]
    label, about = LABELS.get(name, (name, None))
    key = f"steer-field-{name}"
    common: dict[str, Any] = {"key": key, "help": about, "on_change": _changed, "args": (name,)}
    pick: Any = _indices(name, passes, card)
    if pick is not None:
        many = field.type == "list"
        st.session_state[key] = [int(part) for part in text.split(",") if part] if many else int(text) if text.isdecimal() else None
        if len(pick) > 9:
            (st.multiselect if many else st.selectbox)(label, pick, **common)  # type: ignore[operator]
        elif many:
            st.pills(label, pick, selection_mode="multi", wrap=True, **common)
        else:
            st.segmented_control(label, pick, required=True, wrap=True, **common)
    elif field.choices:
        st.session_state[key] = text
        choose = st.selectbox if field.type == "source" or len(field.choices) > 3 else st.segmented_control
        more = {} if choose is st.selectbox else {"required": True, "wrap": True}
        choose(label, list(field.choices), format_func=lambda choice: NAMES.get(choice, choice), **common, **more)  # type: ignore[operator]
    elif field.type == "switch":
        st.session_state[key] = text == "True"
        st.toggle(label, **common)
    elif field.type == "text":
        st.session_state[key] = text
        st.text_input(label, **common)
    else:
        whole = field.type == "whole"
        st.session_state[key] = int(text or 0) if whole else float(text)
        st.number_input(label, step=1 if whole else 0.5, **common)


def _indices(name: str, passes: int, card: ModelCard) -> Sequence[int] | None:
    """The whole numbers an option can have, when there are few."""
    if name in ("a", "b", "indices", "index"):
        return range(passes + 1)
    if name == "layers":
        return range(card.n_layers)
    if name == "layer":
        return range(1, card.n_layers + 1)
    return range(card.n_kv_heads) if name == "heads" else None


def _changed(name: str) -> None:
    value = st.session_state[f"steer-field-{name}"]
    text = ",".join(map(str, sorted(value))) if isinstance(value, list) else "" if value is None else f"{value}"
    steer_state.write_flags({name: text})


def _seed(name: str, value: Any) -> None:
    """A widget shows what the URL says, whoever wrote it."""
    st.session_state[f"steer-{name}"] = value


# Lengths of all differences, to choose a pair by


def pair_grid(setup: Setup, info: VectorInfo) -> None:
    method = setup.methods[0]
    flags = steer_state.complete(METHODS[method.kind], flags_of(method))
    kv = info.matrix.ndim == 3
    painted = amounts("‖mean B − mean A‖" + (", keys / values" if kv else ""), info.matrix.sum(0) if kv else info.matrix)
    count = info.matrix.shape[-1]
    fill, ink = painted.fill, painted.ink

    def cell(a: int, b: int) -> dict[str, Any]:
        lengths = [f"{part[a, b]:.2g}" for part in info.matrix] if kv else [f"{info.matrix[a, b]:.2g}"]
        names = ("keys", "values") if kv else ("length",)
        return {
            "text": "/".join(lengths) if a != b else "·",
            "title": f"A = {a}, B = {b}",
            "value": ", ".join(f"{name} {length}" for name, length in zip(names, lengths, strict=True)),
            "fill": fill[a][b],
            "ink": ink[a][b],
            "top": [],
            "facts": [f"{name} {length}" for name, length in zip(names, lengths, strict=True)],
            "mark": "",
            "edge": "",
        }

    def picked(b: int, a: int) -> None:
        steer_state.write_flags({"a": str(a), "b": str(b)})

    data = {
        "rows": [{"id": a, "label": str(a)} for a in range(count)],
        "columns": [{"id": b, "label": f"B {b}"} for b in range(count)],
        "cells": [[cell(a, b) for b in range(count)] for a in range(count)],
        "chosen": [int(flags["b"]), int(flags["a"])],
        "label": "Length of the difference of mean latents, A by B",
        "group": "",
        "axis": "A",
        "cellHeight": 24,
        "hint": "click: choose A and B",
        "legend": {"title": painted.title, "stops": painted.stops, "ticks": [list(tick) for tick in painted.ticks]},
    }
    draw(data, "steer-pairs", picked)


def pairs(setup: Setup, model: str, passes: int) -> None:
    """The matrix of a difference's lengths; nothing for other directions, nor for one that is refused below."""
    method = setup.methods[0]
    if isinstance(method, Hidden | KV) and "a" in steer_state.options(method):
        with st.expander("Lengths of all differences"), suppress(InterventionError):
            pair_grid(setup, steer_calls.norms(model, method.place, setup.means, passes))


# What it is measured on


def measured_on(setup: Setup) -> None:
    _seed("eval-set", setup.eval_set)
    st.selectbox(
        "Eval set",
        [*EVAL_SETS, *([] if setup.eval_set in EVAL_SETS else [setup.eval_set])],
        key="steer-eval-set",
        help="\n\n".join(f"**{name}**: {plain(kind.description)}" for name, kind in EVAL_SETS.items()),
        on_change=_write("eval-set"),
    )
    sizes = {str(size): label for label, size in SIZES.items()}
    sizes.setdefault(str(setup.n), f"{setup.n:,}")
    _seed("eval-n", str(setup.n))
    st.segmented_control(
        "Questions", list(sizes), format_func=lambda n: sizes[n], required=True, wrap=True, key="steer-eval-n", on_change=_write("eval-n")
    )
    with st.expander("A file of your own"):
        st.file_uploader("Columns question and answer (or input and target)", list(ENDINGS), key="steer-upload", on_change=_bring)
        if message := st.session_state.pop("steer-upload-error", ""):
            st.error(plain(message), icon=":material/error:")
    with st.expander("Means, baseline, controls"):
        _means(setup)
        _seed("against", setup.against)
        st.segmented_control(
            "Baseline",
            ["same", "all"],
            format_func=lambda which: {"same": "As many passes", "all": "All passes"}[which],
            required=True,
            wrap=True,
            key="steer-against",
            help="Coefficient 0 with as many passes as the steered run, or with all of them. They differ only when steering stops early.",
            on_change=_write("against"),
        )
        left, middle, right = st.columns(3, vertical_alignment="bottom")
        with left:
            _number("controls", "Random directions", setup.controls, 200, "20 or more give a percentile.")
        with middle:
            _number("control-seed", "Control seed", setup.control_seed, 2**31, "Of the random direction in the third pane.")
        with right:
            _number("eval-seed", "Eval seed", setup.seed, 2**31, "Which questions are drawn.")


def _bring() -> None:
    if (file := st.session_state.get("steer-upload")) is None:
        return
    try:
        state.write("eval-set", keep(calls.workbench().settings, file.name, file.getvalue()))
        state.write("eval-n", "0")
    except (DataError, ArtifactError) as error:
        st.session_state["steer-upload-error"] = str(error)


def _means(setup: Setup) -> None:
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        _seed("means", setup.means.eval_set)
        st.selectbox(
            "Means from", MEANS_SETS, key="steer-means", on_change=_write("means"), help="Must share no question with the eval set."
        )
    with right:
        _number("means-n", "Their questions", setup.means.n, 5_000, "0 = all.")
    _seed("means-only", setup.means.only == "addition")
    st.toggle(
        "Addition-first stories only",
        key="steer-means-only",
        help="Of the template set, as the posts did for KV means.",
        on_change=lambda: state.write("means-only", "addition" if st.session_state["steer-means-only"] else "all"),
    )
    _seed("overlap", setup.overlap)
    st.toggle(
        "Allow means from evaluated questions",
        key="steer-overlap",
        help="As in the posts. An effect on the data it was made from is optimistic.",
        on_change=lambda: state.write("overlap", "yes" if st.session_state["steer-overlap"] else "no"),
    )


def _number(name: str, label: str, value: int, most: int, about: str) -> None:
    _seed(name, value)
    st.number_input(label, 0, most, step=1, key=f"steer-{name}", help=about, on_change=_write(name))


def _write(name: str) -> Any:
    return lambda: state.write(name, str(st.session_state[f"steer-{name}"]))
