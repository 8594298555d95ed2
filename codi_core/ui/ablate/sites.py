"""Every latent replaced in turn, over an eval set: a map of what each is needed for; the chosen one opens on the Steer page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import streamlit as st

from codi_core.figures import ablate as figures
from codi_core.figures.ablate import KINDS, MEASURES, SPACES, Measure
from codi_core.figures.lens import heatmap, wide_table
from codi_core.services import ablate as services
from codi_core.services.ablate import AblateRequest, ablate, ablate_command
from codi_core.services.cards import ModelCard
from codi_core.services.shared.commands import condition_command
from codi_core.ui.ablate import captions
from codi_core.ui.shell import background, calls, url
from codi_core.ui.shell.background import Run
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.steer.link import Setup
from codi_core.ui.widgets import linked, verdict
from codi_core.ui.widgets.eval_choice import EvalChoice
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.ui.widgets.outcome_bars import Bar, outcome_bars
from codi_core.ui.widgets.plot import plot
from codi_core.values.callbacks import OnWait
from codi_core.values.evals import SteeringEffect
from codi_core.values.latents import AblationMap, AblationSite
from codi_core.values.verdict import points

DEFAULT_KINDS = ("zero", "mean", "resample")
ABOUT = {
    "zero": "Zeros: removes all, and leaves something the model never met.",
    "mean": "The mean latent of that index: keeps what all questions share.",
    "gaussian": "A draw with the latents' mean and covariance.",
    "resample": "The latent of another question, of the means' split: keeps the distribution, loses the content.",
    "shuffled": "The question's own latent of another pass: keeps the content, loses the order.",
    "donor": "The latent of another question of the eval set with another answer.",
}


def view(card: ModelCard, model: str) -> None:
    choice, passes = captions.questions(card)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        kinds = st.pills(
            "Put in place",
            services.KINDS,
            selection_mode="multi",
            default=DEFAULT_KINDS,
            **linked.bound("replace", services.KINDS, DEFAULT_KINDS, lambda kind: KINDS[kind]),
            help="\n\n".join(f"**{KINDS[kind]}**: {text}" for kind, text in ABOUT.items()),
        )
        spaces = st.pills(
            "Of",
            services.SPACES,
            selection_mode="multi",
            default=services.SPACES,
            **linked.bound("spaces", services.SPACES, services.SPACES, lambda space: SPACES[space]),
            help="z: the latent as the next pass reads it. h: before the projection. KV slot: what later passes and the answer attend to.",
        )
    if not kinds or not spaces:
        st.caption("Choose at least one replacement and one site.")
        return
    ordered = tuple(kind for kind in services.KINDS if kind in kinds), tuple(space for space in services.SPACES if space in spaces)
    request = AblateRequest(model, *ordered, choice.name, choice.n, passes=passes)
    run = background.run_of("ablate", request.key, lambda: _stored(request))
    background.repainted(run, lambda: _panel(run, request, choice, card))


def _stored(request: AblateRequest) -> AblationMap | None:
    with shown_errors():
        return next(calls.workbench().stream(ablate, request, f"{calls.viewer()}/ablate", on_wait=calls.on_wait, compute=False), None)
    return None


def _panel(run: Run[AblationMap], request: AblateRequest, choice: EvalChoice, card: ModelCard) -> None:
    viewer, workbench, found = calls.behind("ablate"), calls.workbench(), run.value

    def work(on_wait: OnWait) -> Iterator[AblationMap]:
        return workbench.stream(ablate, request, viewer, on_wait=on_wait)

    total, done = len(found.sites if found else request.asked), found.done if found else 0.0
    with shown_errors():
        background.controls(run, work, done / max(total, 1), f"{int(done)} of {total} replacements measured", "map")
    if found is None or not found.effects:
        st.caption("Every latent is replaced in turn, the passes after it run again, and the answers are compared with the unsteered ones.")
        return
    with shown_errors():
        _show(found, request, choice, card)
    captions.repeat(ablate_command(request))


def _show(found: AblationMap, request: AblateRequest, choice: EvalChoice, card: ModelCard) -> None:
    condition = captions.line(
        *captions.format_model(card),
        f"{found.passes} passes",
        captions.format_set(found.eval_set),
        captions.format_means(request.means),
        f"key {request.key}",
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        measure: Measure = linked.segmented("Change of", "measure", MEASURES)
        st.space("stretch")
        table = st.toggle("Table", key="table", bind="query-params", help="The same numbers as a table")
        panel = figures.ablation_panel(found, measure)
        export_menu(
            f"codi-ablate-{request.key}",
            lambda: heatmap([panel], False, f"Latents replaced: {panel.painted.title}", condition),
            lambda: [figures.ablation_table(found)],
            lambda: _exported(found, condition, request),
        )
    rows = figures.row_sites(found)[::-1]
    site = _chosen(found)
    left, right = st.columns([1.35, 1], gap="large")
    with left:
        if table:
            st.dataframe(wide_table(panel, False), hide_index=True, height="content")
            st.dataframe(figures.ablation_table(found), hide_index=True)
        else:
            heatgrid(
                panel,
                chosen=(site.index, rows.index((site.by, site.space))),
                flip=False,
                label=f"Latents replaced: {panel.painted.title}",
                key="ablate-grid",
                on_pick=lambda index, row: url.write("site", f"{rows[row][0]}.{rows[row][1]}.{index}"),
                edges={(s.index, rows.index((s.by, s.space))): "quiet" for s in _blank(found)},
            )
        st.caption(_legend(found))
        st.caption(plain(condition))
    with right:
        _site(site, found, request, choice, measure)


def _legend(found: AblationMap) -> str:
    baseline = next(iter(found.effects.values())).baseline
    unsteered = f"Unsteered {baseline.value:.1%} right ({baseline.low:.1%} to {baseline.high:.1%}), n = {baseline.n:,}."
    count = f"{len(found.effects)} of {len(found.sites)} replacements measured."
    marks = "∗ stands out of them: clustered p, false discovery rate 5 % (Benjamini–Hochberg)."
    refused = ["– is computed but never consumed, so replacing it would change nothing."] if found.refused else []
    return plain(" ".join([unsteered, count, marks, *refused]))


def _blank(found: AblationMap) -> list[AblationSite]:
    return [site for site in [*found.sites, *found.refused] if site not in found.effects]


def _chosen(found: AblationMap) -> AblationSite:
    """`site=mean.z.3` in the URL; the largest change of accuracy when it names no site of the map."""
    known = {f"{site.by}.{site.space}.{site.index}": site for site in [*found.sites, *found.refused]}
    largest = max(found.effects, key=lambda site: abs(found.effects[site].paired.delta))
    return known[url.one_of("site", list(known), f"{largest.by}.{largest.space}.{largest.index}")]


def _site(site: AblationSite, found: AblationMap, request: AblateRequest, choice: EvalChoice, measure: Measure) -> None:
    st.markdown(f"**{SPACES[site.space]} at index {site.index} ← {KINDS[site.by]}**")
    effect = found.effects.get(site)
    if reason := found.refused.get(site):
        st.caption(plain(reason))
    elif effect is None:
        st.caption("Not computed yet.")
    else:
        st.html(verdict.sentence(effect.verdict, band=False))
        outcome_bars(
            [Bar("Unsteered", effect.baseline_outcomes, effect.baseline), Bar("Replaced", effect.steered_outcomes, effect.steered)]
        )
        st.html(verdict.facts(_numbers(effect)))
        verdict.how_sure().html(verdict.sure(effect.verdict))
        _open(site, request, choice)
    st.markdown(f"**Every replacement of {SPACES[site.space]}**")
    draw = partial(figures.ablation_lines, found, site.space, measure)
    plot(draw, key="ablate-lines", label=f"{measure} over indices, a line a replacement")


def _numbers(effect: SteeringEffect) -> dict[str, str]:
    p_gold = effect.p_gold
    return {
        **verdict.flips(effect.paired.fixed, effect.paired.broken, effect.only_form),
        "answers changed": f"{effect.changed:,} of {effect.done:,}",
        **verdict.gold_margin(effect.margin),
        "P(gold)": f"{points(p_gold.value)} points <small>{points(p_gold.low)} to {points(p_gold.high)}</small>",
        "key": effect.key,
    }


def _open(site: AblationSite, request: AblateRequest, choice: EvalChoice) -> None:
    """The same condition on the Steer page, where it is found computed."""
    condition = request.condition(site)
    setup = Setup(
        model=request.model,
        methods=condition.interventions,
        eval_set=choice.label,
        n=request.n,
        seed=request.seed,
        means_set=request.means.eval_set,
        means_n=request.means.n,
        passes=request.passes,
    )
    setup.link("Open live on the Steer page")
    with st.expander("This replacement on the command line", icon=":material/terminal:"):
        st.code(condition_command(condition), language="bash", wrap_lines=True)


def _exported(found: AblationMap, condition: str, request: AblateRequest) -> dict[str, Any]:
    marked = figures.standing_out(found)
    return {
        "condition": condition,
        "command": ablate_command(request),
        "request": {**asdict(request), "kind": request.kind, "key": request.key},
        "eval_set": asdict(found.eval_set),
        "refused": [{**asdict(site), "reason": reason} for site, reason in found.refused.items()],
        "sites": [{**asdict(site), "stands_out": site in marked, "effect": effect.as_json()} for site, effect in found.effects.items()],
    }
