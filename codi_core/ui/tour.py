"""Five permalinks with a sentence each: from one prompt's latents to claims about all of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import streamlit as st

from codi_core.problems.generate import team_prompt
from codi_core.steering.kv import KV
from codi_core.steering.methods import text_of
from codi_core.steering.vectors import Difference

STEPS_MODEL, PLAIN_MODEL = "bundled-steps", "bundled"
"""The one whose latents are known to hold the step values, and plain CODI, whose grids are the posts' experiment."""


@dataclass(frozen=True)
class Stop:
    page: str
    """File below the root."""
    title: str
    text: str
    """What is there to be seen."""
    todo: str
    """What to try."""
    link: str
    query: dict[str, str]
    seconds: int


@cache
def stops() -> tuple[Stop, ...]:
    pushed = text_of((KV(Difference(2, 4), 2.0, (3,)),))
    return (
        Stop(
            "pages/inspect.py",
            "Read the latents of one prompt",
            "The model answers without writing a word of reasoning; each column is one latent pass, each row a layer, each cell a token "
            "that a lens reads there. This model was trained to hold the values of the steps: look for 8, 16 and 24.",
            "Click a cell for its ten likeliest tokens, and one of those to follow it through all layers and passes.",
            "Open the team prompt",
            {"model": STEPS_MODEL, "prompt": team_prompt().question, "cell": "3.5", "passes": "6"},
            40,
        ),
        Stop(
            "pages/detect.py",
            "Is that a rule or an accident?",
            "Over many prompts: how often is the value of the first step among the likeliest tokens, at every latent and layer, and how "
            "often is another question's value found there by chance?",
            "Press Run. The map narrows while the questions are read; Stop keeps what is there.",
            "Open the detection map",
            {"model": STEPS_MODEL, "set": "templates", "n": "192", "value": "step 1", "view": "Values"},
            40,
        ),
        Stop(
            "pages/steer.py",
            "Push the latents and watch the answer",
            "A difference of two mean latents is added to the cache slot of the third one: the answer follows at once, accuracy on 100 "
            "questions a moment later, beside the baseline and random directions of the same length.",
            "Move the coefficient. At 0 nothing may change, bit for bit; far out everything breaks, and random directions break it too.",
            "Open the slider",
            {
                "model": STEPS_MODEL,
                "prompt": team_prompt().question,
                "steer": pushed,
                "eval-set": "bundled",
                "eval-n": "100",
                "means": "means",
                "means-n": "500",
                "passes": "6",
            },
            50,
        ),
        Stop(
            "pages/heatmaps.py",
            "All pairs, sites and coefficients at once",
            "The grids of the posts, computed beforehand: every pair of latents, every site, both signs, with the random band and "
            "corrections for looking at hundreds of cells.",
            "Click a cell for its numbers and the questions it fixed or broke; “Open live” puts exactly this condition on the slider.",
            "Open the cell A2-B4",
            {"model": PLAIN_MODEL, "pick": "2,4,5,0.5"},
            30,
        ),
        Stop(
            "pages/claims.py",
            "What is left of the claims",
            "Each claim of the posts with its effect, interval, adjusted p and place in the random band, and a verdict that is computed. A "
            "null result is a result.",
            "Compare the two readings of “A−B” and the two baselines: a claim should not hang on them.",
            "Open the claims",
            {"model": PLAIN_MODEL},
            20,
        ),
    )


def show() -> None:
    minutes = round(sum(stop.seconds for stop in stops()) / 60)
    with st.container(key="tour", width=860, gap="medium"):
        st.title("The tour", anchor=False)
        st.markdown(
            f"Five links, {minutes} minutes, on the two small CODI models that ship with this app. Every state of every page is a link: "
            "the address in the browser always holds what is on screen."
        )
        for number, stop in enumerate(stops(), 1):
            with st.container(border=True, gap="small"):
                st.subheader(f"{number}. {stop.title}", anchor=False)
                st.markdown(stop.text)
                st.markdown(f":material/touch_app: {stop.todo}")
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.page_link(stop.page, label=stop.link, icon=":material/arrow_forward:", query_params=stop.query, width="content")
                    st.caption(f"{stop.seconds} seconds", width="content")
