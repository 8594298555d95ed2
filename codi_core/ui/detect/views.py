"""What can be asked of the readings: where a value is found, a set of tokens, entropy, probability; each with its intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, get_args

import plotly.graph_objects as go
import streamlit as st

from codi_core.figures import detect as figures
from codi_core.figures.lens import heatmap, wide_table
from codi_core.figures.panels import Panel
from codi_core.figures.text import position
from codi_core.services.detect import (
    Subset,
    detection_map,
    entropies_of,
    mean_entropy,
    mean_probability,
    probabilities_of,
    set_hits,
    token_set,
    value_hits,
)
from codi_core.ui.detect import beside
from codi_core.ui.detect.beside import Question
from codi_core.ui.detect.link import VIEWS
from codi_core.ui.shell import calls, url
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets import eval_choice, linked
from codi_core.ui.widgets.export import chart, export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.values.lens import DetectionMap, LensReadings
from codi_core.values.stats import Estimates

WORDS = ("therefore", "=", "the")
SUBSETS: tuple[Subset, ...] = get_args(Subset)


@dataclass(frozen=True)
class Shown:
    """One view of the readings."""

    panels: list[Panel]
    series: dict[str, Estimates]
    """Everything behind it, for export."""
    curve: Callable[[int, int], go.Figure]
    """The figure beside the grids, for the chosen cell."""
    beside: Question
    notes: list[str] = field(default_factory=list)


def show(readings: LensReadings, model: str, control: LensReadings | None = None) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        view = linked.segmented("Ask for", "view", VIEWS)
        shown = {"Values": _values, "Token set": _token_set, "Entropy": _entropy, "Probability": _probability}[view](readings, model)
        if shown is None:
            return
        st.space("stretch")
        table = st.toggle("Table", key="table", bind="query-params", help="The same numbers as a table")
        name = f"codi-detect-{readings.spec.key}"
        title = f"{view}: {eval_choice.called(readings.spec.eval_set.name)}"
        export_menu(
            name,
            lambda: heatmap(shown.panels, False, title, condition(readings)),
            lambda: [figures.means_table(shown.series)],
            lambda: {"condition": condition(readings), "spec": asdict(readings.spec), "table": _records(shown)},
        )
    cell = url.read_cell(*shown.panels[0].shape)
    places = st.columns([1] * len(shown.panels) + [0.85], gap="small")
    for place, panel in zip(places, shown.panels, strict=False):
        with place:
            st.markdown(f"**{plain(panel.name)}**")
            if table:
                st.dataframe(wide_table(panel, False), hide_index=True, height="content")
            else:
                label = f"{panel.name}: {panel.painted.title}"
                heatgrid(panel, chosen=cell, flip=False, label=label, key=f"grid-{panel.name}", on_pick=url.write_cell, group="detect")
    with places[-1]:
        st.markdown(f"**{position(cell[0])} · layer {cell[1]}**" if view == "Values" else f"**Layer {cell[1]}**")
        chart(
            lambda: shown.curve(*cell), key="detect-curve", title=f"{title}, {shown.panels[0].title(*cell)}", condition=condition(readings)
        )
    for note in shown.notes:
        st.caption(plain(note))
    if control is not None:
        beside.show(readings, control, shown.beside, cell, table)


def condition(readings: LensReadings) -> str:
    """Everything that made the numbers, in one line."""
    spec, read = readings.spec, len(readings.questions)
    facts = [
        spec.model.name,
        f"weights {spec.model.checkpoint[:8]}",
        spec.model.dtype,
        f"{spec.rollout.passes} passes",
        f"{eval_choice.called(spec.eval_set.name)}, {read:,} of {readings.total:,} questions, seed {spec.eval_set.seed}",
        f"{float(readings.correct.mean()):.0%} answered right",
        f"{spec.lens} lens",
        f"key {spec.key}",
    ]
    return " · ".join(facts)


def _records(shown: Shown) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = figures.means_table(shown.series).to_dict(orient="records")  # type: ignore[assignment]
    return records


def _k() -> int:
    return int(st.select_slider("Among the top k", range(1, 11), value=10, width=190, **linked.bound("k", range(1, 11), 10)))


def _values(readings: LensReadings, model: str) -> Shown:
    target = linked.segmented("Value of", "value", readings.targets)
    k = _k()
    found = _detection(readings.spec.key, len(readings.questions), target, readings)
    notes = [f"Over {found.found.n:,} questions. By chance: the values of other questions that are no value of this one."]
    if found.multi_token:
        notes.append(f"{found.multi_token:,} questions are left out because their value is no single token of this model.")
    if found.without:
        notes.append(f"{found.without:,} questions have no {found.target}.")
    return Shown(
        figures.detection_panels(found, k),
        {f"{target} found": found.found, f"{target} by chance": found.permuted},
        lambda index, depth: figures.over_k(found, index, depth),
        Question(f"{target} in the top {k}", partial(value_hits, target=target), lambda other: _values_panel(other, target, k), k=k),
        notes,
    )


def _values_panel(readings: LensReadings, target: str, k: int) -> Panel:
    return figures.detection_panels(_detection(readings.spec.key, len(readings.questions), target, readings), k)[0]


@st.cache_data(max_entries=32, show_spinner=False)
def _detection(key: str, read: int, target: str, _readings: LensReadings) -> DetectionMap:
    return detection_map(_readings, target)


def _token_set(readings: LensReadings, model: str) -> Shown | None:
    words = st.text_input("Any of these tokens, with commas", _first(model), key="words", bind="query-params", width=260)
    texts = tuple(dict.fromkeys(word.strip() for word in words.split(",") if word.strip()))[:20]
    k = _k()
    if not texts:
        st.caption("Type at least one token.")
        return None
    tokens = calls.token_ids(model, texts)
    ids = [token for item in tokens for token in item.ids]
    means = token_set(readings, ids)
    of_k = {f"top {k}": Estimates(means.value[k - 1], means.low[k - 1], means.high[k - 1], means.n) for k in (1, 5, 10)}
    return Shown(
        [figures.token_set_panel(means, k)],
        {", ".join(texts): means},
        lambda index, depth: figures.over_indices(of_k, depth, share=True),
        Question(
            f"any of {', '.join(texts)} in the top {k}",
            partial(set_hits, ids=ids),
            lambda other: figures.token_set_panel(token_set(other, ids), k),
            k=k,
        ),
        [token.note for token in tokens if token.note],
    )


def _first(model: str) -> str:
    """A word worth looking for of which the model has a token: on another the map would be empty."""
    return next((token.text for token in calls.token_ids(model, WORDS) if not token.note), WORDS[0])


def _entropy(readings: LensReadings, model: str) -> Shown | None:
    series = {f"{subset} questions": mean_entropy(readings, subset) for subset in SUBSETS}
    return Shown(
        [figures.entropy_panel(series["all questions"])],
        series,
        lambda index, depth: figures.over_indices(series, depth, share=False),
        Question("entropy", entropies_of, lambda other: figures.entropy_panel(mean_entropy(other)), share=False),
    )


def _probability(readings: LensReadings, model: str) -> Shown | None:
    subset: Subset = st.segmented_control(
        "Questions answered", SUBSETS, default=SUBSETS[0], required=True, **linked.bound("subset", SUBSETS, SUBSETS[0])
    )
    target = linked.segmented("Value of", "value", readings.targets)
    series = {name: mean_probability(readings, name, subset) for name in readings.targets}
    if not series[target].n:
        st.caption(f"There are no {subset} questions with a single-token {target}.")
        return None
    return Shown(
        [figures.probability_panel(target, series[target])],
        {name: means for name, means in series.items() if means.n},
        lambda index, depth: figures.over_indices(series, depth, share=True),
        Question(
            f"probability of the {target}" + ("" if subset == "all" else f", questions that both answered {subset}"),
            partial(probabilities_of, target=target, subset=subset),
            lambda other: figures.probability_panel(target, mean_probability(other, target, subset)),
        ),
    )
