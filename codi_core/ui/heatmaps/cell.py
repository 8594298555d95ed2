"""The chosen cell of a sweep: its numbers, the questions it changed, its command line, and the way to run it live."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import partial

import pandas as pd
import streamlit as st

from codi_core.errors import DataError
from codi_core.figures import sweep_curves as curves
from codi_core.figures.stand_alone import stand_alone
from codi_core.services.shared.commands import condition_command
from codi_core.services.sweeps.stored import cell_request, grouping_of, only_form_of
from codi_core.ui.heatmaps import calls as sweep_calls
from codi_core.ui.heatmaps import captions, views
from codi_core.ui.heatmaps.choice import Choice
from codi_core.ui.shell import calls
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.steer.link import Setup
from codi_core.ui.widgets import verdict
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.flips import flip_table
from codi_core.ui.widgets.outcome_bars import Bar, outcome_bars
from codi_core.ui.widgets.plot import plot
from codi_core.values.outcomes import OnlyForm
from codi_core.values.sweep import Row, SweepTable, share_of

AGAIN = 100
"""Questions that are run again."""


def numbers(choice: Choice) -> None:
    row = choice.row
    st.markdown(f"**{plain(captions.named(choice.grid, row))}**")
    if choice.table.overlap:
        st.badge("means from the evaluated questions, as in the post: optimistic", icon=":material/warning:", color="orange")
    only_form, grouping = _of_questions(choice)
    said = replace(choice.grid.verdict(row), grouping=grouping)
    st.html(verdict.sentence(said))
    with shown_errors():
        outcome_bars(_bars(choice))
    st.html(verdict.facts(captions.facts(row, only_form)))
    verdict.how_sure().html(verdict.sure(said, captions.sure(row, choice.table)))
    st.caption(plain(captions.readings(row)))


def _bars(choice: Choice) -> list[Bar]:
    table, row, standard = choice.table, choice.row, choice.options.against == "all"
    before, after = sweep_calls.outcomes(table, int(row["place"]), standard)
    passes = table.rollout.passes if standard else row["passes"]
    unsteered = next(row for row in table.cells.to_dict("records") if (row["role"], row["passes"]) == ("baseline", passes))
    return [Bar(name, own, share_of(found)) for name, own, found in (("Baseline", before, unsteered), ("Steered", after, row))]


def _of_questions(choice: Choice) -> tuple[OnlyForm | None, str]:
    """What takes the questions themselves: whose form alone changed, and how they are grouped."""
    try:
        fixed, broken = sweep_calls.changed(choice.table, int(choice.row["place"]), choice.options.against == "all")
        return only_form_of(fixed, broken), grouping_of(choice.table)
    except DataError:  # said where the questions would be
        return None, ""


def below(choice: Choice) -> None:
    """What takes longer than the numbers: the curve, the questions, and the model itself last."""
    left, right = st.columns([1, 1.15], gap="large")
    with left:
        _curve(choice)
    with right, shown_errors():
        _questions(choice)
    fold = st.expander("The same condition on the command line", icon=":material/terminal:", key="cell-command", on_change="rerun")
    if fold.open:  # a first visit would load 1.5 MB of script to colour it
        fold.code(condition_command(cell_request(choice.table, int(choice.row["place"]))), language="bash", wrap_lines=True)


def _curve(choice: Choice) -> None:
    grid, (a, b, index, coefficient) = choice.grid, choice.grid.called(choice.row)
    column = f"delta{choice.options.suffix}"
    curve = curves.curve(grid, a, b, index, column, views.baseline(choice, column, index))
    draw = partial(curves.dose_response, [curve], grid.site(index), column, coefficient)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Dose and response** · {plain(captions.named(grid, choice.row).split(',')[0])}")
        st.space("stretch")
        rows = [row for c in grid.coefficients if (row := grid.at(a, b, index, c))]
        export_menu(
            f"codi-dose-{choice.table.key}-{choice.row['place']}",
            lambda: stand_alone(draw(), captions.named(grid, choice.row), views.condition(choice)),
            lambda: [pd.DataFrame(rows)],
            lambda: captions.exported(choice.table, rows),
            key="cell-export",
        )
    plot(draw, key="cell-curve", label=f"Dose and response of {captions.named(grid, choice.row)}")


def _questions(choice: Choice) -> None:
    standard = choice.options.against == "all"
    fixed, broken = sweep_calls.changed(choice.table, int(choice.row["place"]), standard)
    st.markdown(f"**Questions: {only_form_of(fixed, broken).words(len(fixed), len(broken))}**")
    if not fixed and not broken:
        st.caption("Every question keeps its outcome.")
    elif picked := flip_table([*fixed, *broken], key=f"sweep-flips-{choice.row['place']}", height=300):
        setup = steer_setup(choice.table, choice.row, st.session_state["model"])
        replace(setup, prompt=picked.question.question).link("Steer the chosen question so")


# Live


def live(choice: Choice, model: str) -> None:
    """Opens the condition on the Steer page, and runs part of it again. Says what is missing where the model is."""
    chosen = next(one for one in calls.choices() if one.name == model)
    if not chosen.present:
        st.info(plain(f"Stored numbers only: the files of {model} are not on this machine. This says what is missing, and brings it:"))
        st.code(shlex.join(["python", "-m", "codi_core", "info", "--model", model]), language="bash", wrap_lines=True)
        return
    if chosen.hub_id is None and (installed := calls.card(model)).key != choice.table.model_key:
        st.warning(
            plain(
                f"This sweep was made with other weights ({choice.table.model_key[:8]}) than the installed {model} ({installed.key[:8]}): "
                "its numbers stay readable, but cannot be opened live. Sweep again to have both the same."
            ),
            icon=":material/sync_problem:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        steer_setup(choice.table, choice.row, model).link("Open live on the Steer page", width="content")
        again = st.button(f"Run {min(AGAIN, choice.table.eval_set.n)} questions again", icon=":material/replay:", key="sweep-again")
        about = "20 directions as long as this push, at this site, on the same questions; kept for everybody."
        missing = choice.row["percentile"] != choice.row["percentile"]
        band = missing and st.button("Measure its random band", icon=":material/casino:", key="sweep-band", help=about)
    if again:
        _agreement(choice, model)
    if band:
        sweep_calls.measure(choice.table, [choice.row], model)
        st.rerun()


def _agreement(choice: Choice, model: str) -> None:
    found = sweep_calls.again(choice.table, int(choice.row["place"]), AGAIN, model)
    same = found.same_outcomes == found.n
    words = f"{found.same_outcomes} of {found.n} outcomes and {found.same_answers} of {found.n} answers are the same"
    st.badge(words, icon=":material/check:" if same else ":material/difference:", color="green" if same else "orange")
    st.caption(f"Accuracy on these questions: stored {found.stored:.1%}, just now {found.live:.1%}.")


def steer_setup(table: SweepTable, row: Row, model: str) -> Setup:
    """What the Steer page needs to show exactly this condition."""
    request = cell_request(table, int(row["place"]))
    return Setup(
        model=model,
        methods=request.interventions,
        passes=request.passes,
        eval_set=request.eval_set,
        n=request.n,
        seed=request.seed,
        means_set=request.means.eval_set,
        means_n=request.means.n,
        means_only=request.means.only,
        overlap=request.overlap,
    )
