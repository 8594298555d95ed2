"""Every latent replaced in turn, over an eval set: a map of what each is needed for; the chosen one opens on the Steer page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import streamlit as st

from codi_core.figures import ablate as figures
from codi_core.figures.ablate import KINDS, MEASURES, SPACES, Measure
from codi_core.figures.lens import heatmap, wide_table
from codi_core.services import ablate as services
from codi_core.services.ablate import AblateRequest, ablate, ablate_command
from codi_core.services.cards import ModelCard
from codi_core.services.effects import condition_command
from codi_core.services.workbench import Poke
from codi_core.steering.methods import text_of
from codi_core.types import AblationMap, AblationSite, SteeringEffect
from codi_core.ui import ablate_words, background, calls, state
from codi_core.ui.background import Run
from codi_core.ui.errors import plain, shown_errors
from codi_core.ui.eval_choice import EvalChoice
from codi_core.ui.export import export_menu
from codi_core.ui.heatgrid import heatgrid

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
    choice, passes = ablate_words.questions()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        kinds = st.pills(
            "Put in place",
            services.KINDS,
            selection_mode="multi",
            default=DEFAULT_KINDS,
            format_func=lambda kind: KINDS[kind],
            key="by",
            bind="query-params",
            help="\n\n".join(f"**{KINDS[kind]}**: {text}" for kind, text in ABOUT.items()),
        )
        spaces = st.pills(
            "Of",
            services.SPACES,
            selection_mode="multi",
            default=services.SPACES,
            format_func=lambda space: SPACES[space],
            key="spaces",
            bind="query-params",
            help="z: the latent as the next pass reads it. h: before the projection. KV slot: what later passes and the answer attend to.",
        )
    if choice is None:
        return
    if not kinds or not spaces:
        st.caption("Choose at least one replacement and one site.")
        return
    ordered = tuple(kind for kind in services.KINDS if kind in kinds), tuple(space for space in services.SPACES if space in spaces)
    request = AblateRequest(model, *ordered, choice.name, choice.n, passes=passes)
    run = background.run_of("ablate", request.key, lambda: _stored(request))
    background.repainted(run, lambda: _panel(run, request, choice, card))


def _stored(request: AblateRequest) -> AblationMap | None:
    with shown_errors():
        return next(calls.workbench().stream(ablate, request, f"{calls.viewer()}/ablate", poke=calls.poke, compute=False), None)
    return None


def _panel(run: Run[AblationMap], request: AblateRequest, choice: EvalChoice, card: ModelCard) -> None:
    viewer, workbench, found = f"{calls.viewer()}/ablate", calls.workbench(), run.value

    def work(poke: Poke) -> Iterator[AblationMap]:
        return workbench.stream(ablate, request, viewer, poke=poke)

    total, done = len(request.sites), found.done if found else 0.0
    with shown_errors():
        background.controls(run, work, done / max(total, 1), f"{int(done)} of {total} replacements measured", "map")
    if found is None or not found.effects:
        st.caption("Every latent is replaced in turn, the passes after it run again, and the answers are compared with the unsteered ones.")
        return
    with shown_errors():
        _show(found, request, choice, card)
    ablate_words.repeat(ablate_command(request))


def _show(found: AblationMap, request: AblateRequest, choice: EvalChoice, card: ModelCard) -> None:
    condition = ablate_words.line(
        *ablate_words.model_words(card),
        f"{found.passes} passes",
        ablate_words.set_words(found.eval_set),
        ablate_words.means_words(request.means),
        f"key {request.key}",
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        measure: Measure = st.segmented_control(
            "Change of", MEASURES, default=MEASURES[0], required=True, key="measure", bind="query-params"
        )
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
                on_pick=lambda index, row: state.write("site", f"{rows[row][0]}.{rows[row][1]}.{index}"),
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
    refused = f"– z and h of index {found.passes} are computed but never consumed, so replacing them would change nothing."
    return plain(" ".join([unsteered, count, marks, *([refused] if found.refused else [])]))


def _blank(found: AblationMap) -> list[AblationSite]:
    return [site for site in [*found.sites, *found.refused] if site not in found.effects]


def _chosen(found: AblationMap) -> AblationSite:
    """`site=mean.z.3` in the URL; the largest change of accuracy when it names no site of the map."""
    by, _, rest = state.read("site").partition(".")
    space, _, index = rest.partition(".")
    for site in [*found.sites, *found.refused]:
        if (site.by, site.space, str(site.index)) == (by, space, index):
            return site
    return max(found.effects, key=lambda site: abs(found.effects[site].paired.delta))


def _site(site: AblationSite, found: AblationMap, request: AblateRequest, choice: EvalChoice, measure: Measure) -> None:
    st.markdown(f"**{SPACES[site.space]} at index {site.index} ← {KINDS[site.by]}**")
    effect = found.effects.get(site)
    if reason := found.refused.get(site):
        st.caption(plain(reason))
    elif effect is None:
        st.caption("Not computed yet.")
    else:
        st.markdown(plain(effect.verdict.replace("; random directions were not tried", "")))
        _numbers(effect)
        _open(site, request, choice)
    st.markdown(f"**Every replacement of {SPACES[site.space]}**")
    st.plotly_chart(figures.ablation_lines(found, site.space, measure), key="ablate-lines", config={"displaylogo": False})


def _numbers(effect: SteeringEffect) -> None:
    paired, p_gold = effect.paired, effect.p_gold
    facts = {
        "n (effective)": f"{paired.n:,} ({paired.effective_n:,.0f})",
        "Accuracy": f"{effect.steered.value:.1%} <small>{effect.steered.low:.1%} – {effect.steered.high:.1%}</small>",
        "Fixed / broken": f"{paired.fixed:,} / {paired.broken:,} <small>{effect.changed:,} answers changed</small>",
        "Gold margin": f"{effect.margin.value:+.2f} <small>{effect.margin.low:+.2f} to {effect.margin.high:+.2f} logits</small>",
        "P(gold)": f"{100 * p_gold.value:+.1f} points <small>{100 * p_gold.low:+.1f} to {100 * p_gold.high:+.1f}</small>",
        "Key": effect.key,
    }
    st.html('<dl class="facts">' + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items()) + "</dl>")


def _open(site: AblationSite, request: AblateRequest, choice: EvalChoice) -> None:
    """The same condition on the Steer page, where it is found computed."""
    condition = request.condition(site)
    query = {
        "model": request.model,
        "steer": text_of(condition.interventions),
        "eval-set": choice.label,
        "eval-n": str(request.n),
        "eval-seed": str(request.seed),
        "means": request.means.eval_set,
        "means-n": str(request.means.n),
        "passes": str(request.passes),
    }
    st.page_link("pages/steer.py", label="Open live on the Steer page", icon=":material/tune:", query_params=query)
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
        "sites": [
            {**asdict(site), "stands_out": site in marked, "effect": _plain_effect(effect)} for site, effect in found.effects.items()
        ],
    }


def _plain_effect(effect: SteeringEffect) -> dict[str, Any]:
    """As JSON, whose keys are texts."""
    data = asdict(effect)
    return {**data, "transitions": {f"{before} → {after}": count for (before, after), count in effect.transitions.items()}}
