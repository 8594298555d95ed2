"""A model beside its control: how often either is right, question by question, and what a lens is worth in either."""

from __future__ import annotations

import shlex

import streamlit as st

from codi_core.figures.contrast import amount, contrast_panel, contrast_sentence, contrast_table
from codi_core.figures.lens import heatmap
from codi_core.figures.lens_card import MEASURES, measured_panel, top_of
from codi_core.services.evaluate import EvalReport
from codi_core.services.lens_contrasts import LensContrast, lens_contrast
from codi_core.services.twins import AccuracyContrast, accuracy_contrasts
from codi_core.ui.shell import calls, url
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.ui.widgets.lens_card import condition as condition_of
from codi_core.ui.widgets.table import rows_table
from codi_core.values.lens import LensCard


def accuracy(reports: list[EvalReport], control: str) -> None:
    """``control``: what requests call it."""
    card = calls.card(control)
    found = accuracy_contrasts(reports, calls.evals(card.key, card.spec))
    st.header("Beside its control", anchor=False)
    if not found:
        st.caption(plain(f"No evaluation of this model is stored for its control {control} too. This makes one:"))
        words = f".venv/bin/python -m codi_core eval --model {shlex.quote(control)} --eval-set bundled --n 1000"
        st.code(words, language="bash")
        return
    found.sort(key=lambda each: (each.own.spec.mode, each.own.spec.eval_set.name, -each.own.spec.rollout.passes))
    first = next((each for each in found if each.own.spec.mode == "latent"), found[0])
    st.markdown(f"**{plain(_sentence(first))}**")
    st.html(rows_table(list(map(_row, found)), "Beside its control"))
    st.caption("Paired over the same questions, clustered 95 % interval. The control's passes are fed one learned vector and no latent.")


def _sentence(found: AccuracyContrast) -> str:
    paired, passes = found.paired, found.own.spec.rollout.passes
    low, value, high = (amount(each, True) for each in (paired.low, paired.delta, paired.high))
    return (
        f"On '{found.own.spec.eval_set.name}' with {passes} passes the model is right in {paired.accuracy_b:.1%}, its control in "
        f"{paired.accuracy_a:.1%}: {value} points ({low} to {high}), n = {paired.n:,}."
    )


def _row(found: AccuracyContrast) -> dict[str, str]:
    paired, spec = found.paired, found.own.spec
    return {
        "Eval set": spec.eval_set.name,
        "Thinking": "explicit chain" if spec.mode == "cot" else f"{spec.rollout.passes} latent passes",
        "Model": f"{paired.accuracy_b:.1%}",
        "Control": f"{paired.accuracy_a:.1%}",
        "Difference, points": f"{amount(paired.delta, True)} ({amount(paired.low, True)} to {amount(paired.high, True)})",
        "Only the model / only the control right": f"{paired.fixed:,} / {paired.broken:,}",
        "n (effective)": f"{paired.n:,} ({paired.effective_n:,.0f})",
        "Keys": f"{spec.key}, {found.control.spec.key}",
    }


def lens(model: str, control: str, card: LensCard) -> None:
    """The held-out card of a lens, measured in both models on the same questions."""
    measure = MEASURES[url.one_of("card-measure", MEASURES, MEASURES[0]) != MEASURES[0]]
    with st.spinner("Reading the held-out questions in both models …", show_time=True):
        found = _lens(card.key, model, control, card, calls.behind("lens"))
    share = measure != "KL to output"
    judged, difference = (found.agree_control, found.agree) if share else (found.kl_control, found.kl)
    what = f"{measure} of {card.name}"
    sentence = contrast_sentence(what, difference, share)
    panels = [measured_panel(f"Control: {control}", judged, measure, top_of(card, measure)), contrast_panel(what, difference, share)]
    condition = f"{model} beside its control {control} · {condition_of(card)}"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.markdown(f"**{plain(sentence)}**", width="stretch")
        export_menu(
            f"codi-lens-control-{card.key}",
            lambda: heatmap(panels, False, sentence, condition),
            lambda: [contrast_table(difference)],
            lambda: {"condition": condition, "measure": measure, "table": contrast_table(difference).to_dict(orient="records")},
            key="export-control",
        )
    chosen = url.read_cell(*panels[0].shape)
    for place, panel in zip(st.columns(2, gap="small"), panels, strict=True):
        with place:
            st.markdown(f"**{plain(panel.name)}**")
            key, label = f"lens-beside-{panel is panels[1]}", f"{panel.name}: {panel.painted.title}"
            heatgrid(panel, chosen=chosen, flip=False, label=label, key=key, on_pick=url.write_cell, group="lens-card")


@st.cache_data(max_entries=8, show_spinner=False)
def _lens(key: str, model: str, control: str, _card: LensCard, _viewer: str) -> LensContrast:
    return calls.workbench().call(lens_contrast, model, control, _card, _viewer, on_wait=calls.on_wait)
