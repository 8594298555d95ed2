"""Which lenses are read, and what is to be known about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import streamlit as st

from codi_core.services.inspect import Inspection
from codi_core.types import LensCard
from codi_core.ui import calls
from codi_core.ui.errors import plain

Kind = Literal["Logit", "Tuned", "Difference"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class LensChoice:
    shown: tuple[Kind, ...]
    """Panels, left to right; at least one."""
    tuned: str
    """Name of the tuned lens; empty when none is read."""

    @property
    def read(self) -> tuple[str, ...]:
        """Names of the lenses behind the panels."""
        logit = ("logit",) if {"Logit", "Difference"} & set(self.shown) else ()
        return (*logit, *((self.tuned,) if self.tuned else ()))


def choose(model: str) -> LensChoice:
    """Controls for a row: `lens=` and `tuned=` in the URL. Without a tuned lens of this model there is only the logit lens."""
    cards = {card.name.partition(":")[2]: card for card in calls.lens_cards(model)}
    if not cards:
        st.session_state.pop("lens", None)
        return LensChoice(("Logit",), "")
    shown = st.segmented_control("Lens", KINDS, selection_mode="multi", default=KINDS[:1], key="lens", bind="query-params")
    kinds = tuple(kind for kind in KINDS if kind in shown) or KINDS[:1]
    if kinds == ("Logit",):
        return LensChoice(kinds, "")
    options = sorted(cards, key=lambda name: (name != "all", name))
    variant = st.selectbox("Tuned on indices", options, key="tuned", bind="query-params", width=150)
    return LensChoice(kinds, cards[variant].name)


def notes(inspection: Inspection, lenses: LensChoice) -> None:
    """The card of the tuned lens in two lines, with a badge when it was trained on this very prompt."""
    card = inspection.lens_cards.get(lenses.tuned)
    if card is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if card.trained_on(inspection.rollout.question):
            st.badge("this prompt is in the lens' training set", icon=":material/warning:", color="orange")
        st.caption(plain(summary(card)), width="stretch")


def summary(card: LensCard) -> str:
    """A lens in a sentence: what it was trained on, and how much better than the logit lens it is on questions it never saw."""
    where = f"indices {', '.join(map(str, card.indices))}" if card.indices else "the prompt's text"
    below = (slice(None), slice(None, -1))
    kl, plain_kl = (float(np.mean(values[below])) for values in (card.kl_tuned, card.kl_plain))
    agree, plain_agree = (float(np.mean(values[below])) for values in (card.agree_tuned, card.agree_plain))
    return (
        f"{card.name}: trained on {card.n_latents:,} residual streams of {where} from '{card.train_set}'. On {card.n_held_out:,} held-out "
        f"questions ('{card.held_out_set}') its KL to the output is {kl:.2f} nats (logit lens {plain_kl:.2f}) and its top token is the "
        f"output's in {agree:.0%} of cells (logit lens {plain_agree:.0%}). Outside that domain it promises nothing."
    )
