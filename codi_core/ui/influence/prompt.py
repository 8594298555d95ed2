"""One prompt: what is attended to, an edge cut beside random ones, and the graph of its latents."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import streamlit as st

from codi_core.figures import influence as figures
from codi_core.figures.influence import EDGES, SHARE_NAMES
from codi_core.figures.lens import heatmap
from codi_core.figures.panels import Panel
from codi_core.services.cards import ModelCard
from codi_core.services.influence import InfluenceRequest, KnockOutRequest, influence_command, knock_out_command
from codi_core.ui.ablate import captions
from codi_core.ui.influence.link import READERS
from codi_core.ui.inspect import examples
from codi_core.ui.shell import calls, url
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.widgets import linked, passes_choice
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.ui.widgets.promptbox import prompt_box
from codi_core.values.influence import BYS, HOWS, SHARES, Influence, KnockedOut, KnockOut, Share
from codi_core.values.signs import decimal

BY_NAMES = {"zero": "zeros", "gaussian": "Gaussian noise", "mean": "the mean latent", "resample": "another question's latent"}
HOW_NAMES = {"kv": "keys and values", "z": "z", "both": "both"}
EDGE_NAMES = {"kl": "answer (KL)", "dz": "latent (Δz)", "lens": "lens (KL)", "direct": "direct"}
OTHER_ORDER = (
    "In another order: the same question with every number in the next one's place, read at the same places. Where that makes no "
    "difference attention goes to where numbers stand, not to which they are."
)
NOT_CAUSAL = "None of these maps is causal: see what a cut does."
ABOUT: dict[Share, str] = {
    "attention": (
        "The mean over all layers and heads is the CODI paper's. The first token and bot are sinks, attended to whatever they hold."
    ),
    "value-weighted": (
        "Attention times the length of what the head would write of a key (‖A·W_O v‖): what is looked at and holds little counts little. "
        "What is written may still cancel, or never be read."
    ),
    "rollout": (
        "Attention of all heads through all layers, half of each staying where it is, and from a latent that is fed back on to the pass "
        "that made it, until only tokens, bot and what follows the latents are left. Values and MLPs play no part in it."
    ),
}
READER_NAMES = {"one": "from this query alone", "later": "from all later ones"}


def view(card: ModelCard, model: str) -> None:
    prompt = url.read("prompt", examples.FIRST)
    prompt_box(prompt, lambda text: calls.tokens(model, text), url.write_prompt)
    examples.gallery()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        share = linked.select("Map", "share", SHARES, title=SHARE_NAMES.__getitem__, about=NOT_CAUSAL, width=210)
        whole = share == "rollout"
        layer = None if whole else _which("Layer", "in-layer", card.n_layers)
        head = None if whole else _which("Head", "in-head", card.n_heads)
        by = linked.select("In a latent's place", "by", BYS, title=BY_NAMES.__getitem__, width=210)
        passes = passes_choice.choose(card)
    request = InfluenceRequest(model, prompt, by, passes)
    with shown_errors():
        found = calls.influenced(request)
        line = captions.line(*captions.format_model(card), f"{passes} passes", f"{BY_NAMES[by]} in place", f"key {found.key}")
        st.caption(f"{plain(line)} · {found.milliseconds:.0f} ms · answers {plain(found.answer.strip()[:40] or '∅')}")
        _attention(found, request, _Map(share, layer, head), line)
        _graph(found, request, line)
    captions.repeat(influence_command(request))


def _which(label: str, name: str, count: int) -> int | None:
    """A layer or a head; None: the mean over all."""
    chosen = linked.select(
        label, name, ("mean", *map(str, range(count))), title=lambda text: "mean of all" if text == "mean" else text, width=130
    )
    return None if chosen == "mean" else int(chosen)


@dataclass(frozen=True)
class _Map:
    share: Share
    layer: int | None
    head: int | None


def _attention(found: Influence, request: InfluenceRequest, shown: _Map, line: str) -> None:
    panel = figures.attention_panel(found, shown.layer, shown.head, shown.share)
    query, key = _edge(found)
    order = figures.key_order(found)
    left, right = st.columns([1.45, 1], gap="large")
    with left:
        st.markdown("**Who attends to what**")
        heatgrid(
            panel,
            chosen=(query, order.index(key)),
            flip=True,
            label=f"{panel.name}: queries across, keys down",
            key="attention",
            on_pick=lambda i, row: url.write("cut", f"{i}.{order[row]}"),
            hint="click or Enter: cut this edge",
        )
        with st.container(horizontal=True, horizontal_alignment="right"):
            export_menu(
                f"codi-attention-{found.key}",
                lambda: heatmap([panel], True, found.prompt, line),
                lambda: [figures.attention_table(found), figures.numbers_table(found)],
                lambda: {"condition": line, "command": influence_command(request), **_map_facts(found)},
                key="export-attention",
            )
    with right:
        _cut(found, request, query, key, line)
        mass, uniform = found.mass(shown.share, shown.layer, shown.head)
        st.markdown("**Mass by what the keys are**")
        masses = figures.mass_panel(mass, uniform, panel.name)
        heatgrid(
            masses, chosen=None, flip=True, label=f"Mass by kind of key: {panel.name}", key="masses", on_pick=lambda i, k: None, hint=""
        )
        st.caption(plain(f"{ABOUT[shown.share]} {NOT_CAUSAL}"))
        with st.expander("Numbers of the question, beside their baselines"):
            numbers = figures.numbers_table(found, shown.layer, shown.head, shown.share)
            st.dataframe(numbers.round(3), hide_index=True)
            st.caption(OTHER_ORDER)


def _map_facts(found: Influence) -> dict[str, Any]:
    maps = asdict(found.maps)
    return {**{name: values.tolist() for name, values in maps.items()}, **_facts(found)}


def _facts(found: Influence) -> dict[str, Any]:
    return {"prompt": found.prompt, "answer": found.answer, "tokens": found.tokens, "operands": found.operands, "key": found.key}


def _edge(found: Influence) -> tuple[int, int]:
    """`cut=7.44` in the URL; where it names none, the slot that the answer cannot do without."""
    count, last = len(found.tokens), found.passes + 1
    if chosen := url.cell_within("cut", last + 1, count + found.passes + 1):
        return chosen
    return last, count + int(np.argmin(found.graph.to_answer))


def _cut(found: Influence, request: InfluenceRequest, query: int, key: int, line: str) -> None:
    names = figures.query_names(found.passes), figures.key_names(found)
    st.markdown(f"**Cut: {plain(names[0][query])} no longer sees {plain(names[1][key])}**")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        readers = linked.segmented("Hidden", "readers", READERS, title=READER_NAMES.__getitem__)
        how = linked.segmented(
            "Edge",
            "how",
            HOWS,
            title=HOW_NAMES.__getitem__,
            about="A latent reaches later ones through its slot's keys and values, and the next one also through z, which no mask cuts: "
            "z is replaced then.",
        )
    asked = KnockOutRequest(request.model, request.prompt, (key,), query if readers == "one" else None, how, request.by, request.passes)
    with shown_errors():
        cut = calls.knocked_out(asked)
        with st.container(key="answer-text"):
            st.text(cut.cut.answer.strip()[:60] or "∅")
        st.html('<dl class="facts">' + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _numbers(cut).items()) + "</dl>")
        with st.container(horizontal=True, vertical_alignment="center"):
            export_menu(
                f"codi-cut-{cut.key}",
                lambda: heatmap([figures.attention_panel(found, None, None)], True, found.prompt, line),
                lambda: [figures.knock_out_table(cut)],
                lambda: {"condition": line, "command": knock_out_command(asked), "request": asdict(asked), **asdict(cut)},
                key="export-cut",
            )
            st.caption(plain(f"key {cut.key}"))
        st.code(knock_out_command(asked), language="bash", wrap_lines=True)


def _numbers(found: KnockOut) -> dict[str, str]:
    cut, controls = found.cut, found.controls
    low, high = (_nats(each(control.dlog_p for control in controls)) for each in (min, max))
    flips = sum(control.flipped for control in controls)
    return {
        "log p of its answer": f"{_nats(cut.dlog_p)} nats",
        "KL at the answer": f"{cut.kl:.2f} nats",
        "Answer": "another one" if cut.flipped else "the same",
        "Attention cut": f"{cut.mass:.1%}",
        f"{len(controls)} random cuts": f"{low} to {high} nats <small>{flips} flip it; {_carried(controls)} cut</small>",
    }


def _nats(value: float) -> str:
    return decimal(value, "+.2f")


def _carried(controls: tuple[KnockedOut, ...]) -> str:
    masses = [control.mass for control in controls]
    return f"{min(masses):.1%} to {max(masses):.1%} of attention" if max(masses) else "no attention"


def _graph(found: Influence, request: InfluenceRequest, line: str) -> None:
    st.header("What a latent does to the later ones", anchor=False)
    edge = linked.segmented("Edges", "edge", tuple(EDGES), title=EDGE_NAMES.__getitem__)
    values = found.graph.direct if edge == "direct" else found.graph.total[list(EDGES).index(edge)]
    panel = figures.graph_panel(values, edge)
    left, right = st.columns([1, 1.2], gap="large")
    with left:
        graph_grid(panel, edge)
    with right:
        st.dataframe(figures.to_answer_table(found).round(3), hide_index=True)
        st.dataframe(figures.summary_table(found).round(2), hide_index=True)
        st.caption(
            "Shares of all weight on the next latent, out of the first, into the last; span: mean distance. Uniform: were all edges alike."
        )
        export_menu(
            f"codi-graph-{found.key}",
            lambda: heatmap([panel], True, f"{EDGES[edge]}: {found.prompt}", line),
            lambda: [figures.edges_table(found)],
            lambda: {"condition": line, "command": influence_command(request), **_facts(found), "edges": _records(found)},
            key="export-graph",
        )


def graph_grid(panel: Panel, edge: str) -> None:
    if not panel.cells:
        st.caption("With so few passes there is no later latent: no edge.")
        return
    heatgrid(panel, chosen=None, flip=True, label=f"Graph: {EDGES[edge]}", key="graph", on_pick=lambda i, j: None, hint="")
    st.caption(plain(f"{EDGES[edge][:1].upper()}{EDGES[edge][1:]}. {_about(edge)}"))


def _about(edge: str) -> str:
    if edge == "direct":
        return "Slot across hidden from the pass down alone, everything else as it was: no way around it."
    return (
        "A latent is replaced and the rest rolled on, so this holds all ways from one to the other. Answers of early stops are given in "
        "states the model was not trained to answer from."
    )


def _records(found: Influence) -> Any:
    table = figures.edges_table(found)
    return table.astype(object).where(table.notna(), None).to_dict(orient="records")
