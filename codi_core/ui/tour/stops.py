"""Five permalinks with a sentence each: from one prompt's latents to claims about all of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import streamlit as st

from codi_core.problems.generate import team_prompt
from codi_core.services.shared.interventions import KV, Difference
from codi_core.ui.claims import link as claims_link
from codi_core.ui.detect import link as detect_link
from codi_core.ui.heatmaps import link as heatmaps_link
from codi_core.ui.influence import link as influence_link
from codi_core.ui.inspect import link as inspect_link
from codi_core.ui.patch import link as patch_link
from codi_core.ui.shell.codec import PageSetup
from codi_core.ui.steer import link as steer_link

STEPS_MODEL, PLAIN_MODEL = "bundled-steps", "bundled"
"""The one whose latents are known to hold the step values, and plain CODI, whose grids are the posts' experiment."""


@dataclass(frozen=True)
class Stop:
    title: str
    text: str
    """What is there to be seen."""
    todo: str
    """What to try."""
    link: str
    """Of the button."""
    setup: PageSetup
    """Where it leads, and what is to be seen there."""
    seconds: int


@cache
def stops() -> tuple[Stop, ...]:
    return (*_looking(), *_pushing())


def _looking() -> tuple[Stop, ...]:
    return (
        Stop(
            "Read the latents of one prompt",
            "The model answers without writing a word of reasoning; each column is one latent pass, each row a layer, each cell a token "
            "that a lens reads there. This model was trained to hold the values of the steps: look for 8, 16 and 24.",
            "Click a cell for its ten likeliest tokens, and one of those to follow it through all layers and passes.",
            "Open the team prompt",
            inspect_link.Setup(model=STEPS_MODEL, prompt=team_prompt().question, cell=(3, 5)),
            30,
        ),
        Stop(
            "Is that a rule or an accident?",
            "Over many prompts: how often is the value of the first step among the likeliest tokens, at every latent and layer, and how "
            "often is another question's value found there by chance?",
            "Press Run. The map narrows while the questions are read; Stop keeps what is there.",
            "Open the detection map",
            detect_link.Setup(model=STEPS_MODEL, n=192, value="step 1"),
            30,
        ),
        Stop(
            "Who reads whom?",
            "What the passes and the answer attend to, and what becomes of the answer when one of these edges is cut: the latent with "
            "24 gets a tenth of the attention, and nothing else will do.",
            "Click any other cell of the column “answer”: cuts of as much attention elsewhere change nothing.",
            "Cut the edge",
            influence_link.Setup(model=STEPS_MODEL, prompt=team_prompt().question),
            20,
        ),
    )


def _pushing() -> tuple[Stop, ...]:
    pushed = (KV(Difference(2, 4), 2.0, (3,)),)
    return (
        Stop(
            "Push the latents and watch the answer",
            "A difference of two mean latents is added to the cache slot of the third one: the answer follows at once, accuracy on 100 "
            "questions a moment later, beside the baseline and random directions of the same length.",
            "Move the coefficient. At 0 nothing may change, bit for bit; far out everything breaks, and random directions break it too.",
            "Open the slider",
            steer_link.Setup(model=STEPS_MODEL, prompt=team_prompt().question, methods=pushed, n=100),
            40,
        ),
        Stop(
            "Put a thought into another prompt",
            "The latent that holds 24 is put into a prompt whose answer is 30, and the answer goes over. Below: every cell, over 64 pairs "
            "of prompts, beside a random vector as long.",
            "Drag another cell across. What a map cell carries over counts only where it exceeds its control.",
            "Open the patch",
            patch_link.Setup(model=STEPS_MODEL, prompt=team_prompt().question, taken=(4, 6)),
            20,
        ),
        Stop(
            "All pairs, sites and coefficients at once",
            "The grids of the posts, computed beforehand: every pair of latents, every site, both signs, with the random band and "
            "corrections for looking at hundreds of cells.",
            "Click a cell for its numbers and the questions it fixed or broke; “Open live” puts exactly this condition on the slider.",
            "Open the cell A2-B4",
            heatmaps_link.Setup(model=PLAIN_MODEL, pick=(2, 4, 5, 0.5)),
            20,
        ),
        Stop(
            "What is left of the claims",
            "Each claim of the posts with its effect, interval, adjusted p and place in the random band, and a verdict that is computed. A "
            "null result is a result.",
            "Compare the two readings of “A−B” and the two baselines: a claim should not hang on them.",
            "Open the claims",
            claims_link.Setup(model=PLAIN_MODEL),
            20,
        ),
    )


def show() -> None:
    minutes = round(sum(stop.seconds for stop in stops()) / 60)
    with st.container(key="tour", width=860, gap="medium"):
        st.markdown(
            f"{len(stops())} links, {minutes} minutes, on the two small CODI models that ship with this app. Every state of every page "
            "is a link: the address in the browser always holds what is on screen."
        )
        for number, stop in enumerate(stops(), 1):
            with st.container(border=True, gap="small"):
                st.header(f"{number}. {stop.title}", anchor=False)
                st.markdown(stop.text)
                st.markdown(f":material/touch_app: {stop.todo}")
                with st.container(horizontal=True, vertical_alignment="center"):
                    stop.setup.link(stop.link, ":material/arrow_forward:", width="content")
                    st.caption(f"{stop.seconds} seconds", width="content")
