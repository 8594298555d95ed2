"""The chosen cell of a sweep: its numbers, the questions it changed, its command line, and the way to run it live."""

from __future__ import annotations

import html
import shlex

import pandas as pd
import streamlit as st

from codi_core.figures import sweep_curves as curves
from codi_core.figures.stand_alone import stand_alone
from codi_core.figures.sweeps import Row
from codi_core.figures.text import number
from codi_core.services.effects import Flip, condition_command
from codi_core.services.sweeps import cell_request
from codi_core.steering.methods import text_of
from codi_core.types import SweepTable
from codi_core.ui import calls, sweep_calls, sweep_views, sweep_words
from codi_core.ui.errors import plain, shown_errors
from codi_core.ui.export import export_menu
from codi_core.ui.sweep_choice import Choice

AGAIN = 100
"""Questions that are run again."""


def numbers(choice: Choice) -> None:
    row = choice.row
    st.markdown(f"**{plain(sweep_words.named(choice.grid, row))}**")
    if choice.table.overlap:
        st.badge("means from the evaluated questions, as in the post: optimistic", icon=":material/warning:", color="orange")
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in sweep_words.facts(row, choice.table).items())
    st.html(f'<p class="verdict">{html.escape(sweep_words.verdict(row))}</p><dl class="effect">{cells}</dl>')
    st.caption(plain(sweep_words.readings(row)))


def below(choice: Choice) -> None:
    """What takes longer than the numbers: the curve, the questions, and the model itself last."""
    left, right = st.columns([1, 1.15], gap="large")
    with left:
        _curve(choice)
    with right, shown_errors():
        _questions(choice)
    with st.expander("The same condition on the command line", icon=":material/terminal:"):
        st.code(condition_command(cell_request(choice.table, int(choice.row["place"]))), language="bash", wrap_lines=True)


def _curve(choice: Choice) -> None:
    grid, (a, b, index, coefficient) = choice.grid, choice.grid.called(choice.row)
    column = f"delta{choice.asked.suffix}"
    curve = curves.curve(grid, a, b, index, column, sweep_views.baseline(choice, column, index))
    figure = curves.dose_response([curve], f"z{index}", column, coefficient)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Dose and response** · {plain(sweep_words.named(grid, choice.row).split(',')[0])}")
        st.space("stretch")
        rows = [row for c in grid.coefficients if (row := grid.at(a, b, index, c))]
        export_menu(
            f"codi-dose-{choice.table.key}-{choice.row['place']}",
            lambda: stand_alone(figure, sweep_words.named(grid, choice.row), sweep_views.condition(choice)),
            lambda: [pd.DataFrame(rows)],
            lambda: sweep_words.exported(choice.table, rows),
            key="cell-export",
        )
    st.plotly_chart(figure, key="cell-curve", config=sweep_views.CHART)


def _questions(choice: Choice) -> None:
    standard = choice.asked.against == "all"
    fixed, broken = sweep_calls.changed(choice.table, int(choice.row["place"]), standard)
    st.markdown(f"**{len(fixed):,} fixed and {len(broken):,} broken questions**")
    flips = [*fixed, *broken]
    if not flips:
        st.caption("Every question keeps its outcome.")
        return
    picked = st.dataframe(
        flip_table(flips),
        hide_index=True,
        height=300,
        key=f"sweep-flips-{choice.row['place']}",
        on_select="rerun",
        selection_mode="single-row",
    )
    rows = picked["selection"]["rows"]
    if rows and rows[0] < len(flips):
        query = steer_query(choice.table, choice.row, st.session_state["model"]) | {"prompt": flips[rows[0]].question.question}
        st.page_link("pages/steer.py", label="Steer the chosen question so", icon=":material/tune:", query_params=query)


def flip_table(flips: list[Flip]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "": "fixed" if flip.fixed else "broken",
                "question": flip.question.question,
                "correct": number(flip.question.gold),
                "baseline": flip.baseline.strip(),
                "steered": flip.steered.strip(),
            }
            for flip in flips
        ]
    )


# Live


def live(choice: Choice, model: str) -> None:
    """Opens the condition on the Steer page, and runs part of it again. Says what is missing where the model is."""
    chosen = next(one for one in calls.choices() if one.name == model)
    if not chosen.present:
        st.info(plain(f"Stored numbers only: the files of {model} are not on this machine. This says what is missing, and brings it:"))
        st.code(shlex.join(["python", "-m", "codi_core", "info", "--model", model]), language="bash")
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
    query = steer_query(choice.table, choice.row, model)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link("pages/steer.py", label="Open live on the Steer page", icon=":material/tune:", query_params=query)
        again = st.button(f"Run {min(AGAIN, choice.table.eval_set.n)} questions again", icon=":material/replay:", key="sweep-again")
    if again:
        _agreement(choice, model)


def _agreement(choice: Choice, model: str) -> None:
    found = sweep_calls.again(choice.table, int(choice.row["place"]), AGAIN, model)
    same = found.same_outcomes == found.n
    words = f"{found.same_outcomes} of {found.n} outcomes and {found.same_answers} of {found.n} answers are the same"
    st.badge(words, icon=":material/check:" if same else ":material/difference:", color="green" if same else "orange")
    st.caption(f"Accuracy on these questions: stored {found.stored:.1%}, just now {found.live:.1%}.")


def steer_query(table: SweepTable, row: Row, model: str) -> dict[str, str]:
    """What the Steer page needs to show exactly this condition: see `ui.steer_state`."""
    request = cell_request(table, int(row["place"]))
    return {
        "model": model,
        "steer": text_of(request.interventions),
        "passes": str(request.passes),
        "eval-set": request.eval_set,
        "eval-n": str(request.n),
        "eval-seed": str(request.seed),
        "means": request.means.eval_set,
        "means-n": str(request.means.n),
        "means-only": request.means.only,
        "overlap": "yes" if request.overlap else "no",
        "against": "same",
    }
