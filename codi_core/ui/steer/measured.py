"""What the intervention is measured on: eval set, means, baseline, controls; every change is written to the URL."""

from __future__ import annotations

import streamlit as st

from codi_core.problems.evalsets import means_sets
from codi_core.ui.steer.link import CONTROLS, SIZES
from codi_core.ui.widgets import eval_choice, linked

BASELINES = {"same": "As many passes", "all": "All passes"}


def measured_on() -> None:
    eval_choice.choose("bundled", 200, SIZES)
    with st.expander("Means, baseline, controls"):
        _means()
        linked.segmented(
            "Baseline",
            "against",
            tuple(BASELINES),
            title=BASELINES.__getitem__,
            about="Coefficient 0 with as many passes as the steered run, or with all of them. They differ only when steering stops early.",
        )
        left, middle, right = st.columns(3, vertical_alignment="bottom")
        with left:
            linked.number("Random directions", "controls", default=CONTROLS, most=200, about="20 or more give a percentile.")
        with middle:
            linked.number("Control seed", "control-seed", most=2**31, about="Of the random direction in the third pane.")
        with right:
            linked.number("Eval seed", "seed", most=2**31, about="Which questions are drawn.")


def _means() -> None:
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        linked.select("Means from", "means", means_sets(), about="Must share no question with the eval set.")
    with right:
        linked.number("Their questions", "means-n", default=500, most=5_000, about="0 = all.")
    linked.toggle(
        "Addition-first stories only", "means-only", ("all", "addition"), about="Of the template set, as the posts did for KV means."
    )
    linked.toggle(
        "Allow means from evaluated questions", "overlap", about="As in the posts. An effect on the data it was made from is optimistic."
    )
