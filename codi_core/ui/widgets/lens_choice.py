"""Which lenses are read, `lens=` in the URL by their names, and what is to be known about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st

from codi_core.services.inspect import Inspection
from codi_core.ui.shell import calls, missing, url
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets import linked
from codi_core.values.lens import LensCard, LensOption

DIFFERENCE = "difference"
"""Among the lenses of a URL: a panel of what the second lens reads and the first does not."""


def chosen(model: str) -> LensOption:
    """The lens of a page that reads one: the URL's first that the model has, else the menu's first."""
    options = calls.lens_menu(model)
    found = next(iter(_named(options).values()), options[0])
    _check(options, found.name)
    return found


def box(model: str) -> LensOption:
    """A box of all lenses of the model, for a page that reads one."""
    option = chosen(model)
    names = [each.name for each in calls.lens_menu(model)]
    key = linked.showing("lens-box", option.name)
    st.selectbox("Lens", names, key=key, width=150, on_change=linked.taken(key, _write))
    return option


def chosen_card(model: str) -> LensOption | None:
    """Buttons of the lenses that have a card: the URL's, else the first. None when no lens has one."""
    options = [option for option in calls.lens_menu(model) if option.card]
    if not options:
        return None
    option = next(iter(_named(options).values()), options[0])
    _check(options, option.name)
    key, names = linked.showing("lens-card-of", option.name), [each.name for each in options]
    st.segmented_control("Lens card of", names, required=True, key=key, on_change=linked.taken(key, _write))
    return option


@dataclass(frozen=True)
class LensChoice:
    """What a page that reads several lenses shows, left to right."""

    shown: tuple[LensOption, ...]
    """A panel each, one of a kind, in the order of the menu."""
    difference: tuple[LensOption, LensOption] | None
    """Then a panel of the first minus the second."""

    @property
    def lenses(self) -> tuple[LensOption, ...]:
        """Those behind the panels, at least one."""
        both = (*(self.difference or ())[::-1], *self.shown)
        return tuple({option.name: option for option in both}.values())


def chosen_several(model: str) -> LensChoice:
    """The URL's lenses that the model has. A difference is of the first two; what it lacks of them is the menu's."""
    options = calls.lens_menu(model)
    named, first = _named(options), _first_of_kinds(options)
    order = list(first)
    shown = tuple(named[kind] for kind in order if kind in named)
    difference = None
    if DIFFERENCE in map(str.lower, url.read_all("lens")) and len(first) > 1:
        two = sorted([*shown, *(first[kind] for kind in order if kind not in named)][:2], key=lambda option: order.index(option.kind))
        difference = (two[1], two[0])
    choice = LensChoice(shown if shown or difference else options[:1], difference)
    _check(options, ", ".join(option.name for option in choice.lenses))
    return choice


def choose_several(model: str) -> LensChoice:
    """Controls for a row: the kinds, and a box of variants for each that has more than one. No control for a single kind."""
    choice, options = chosen_several(model), calls.lens_menu(model)
    labels = {kind: option.label for kind, option in _first_of_kinds(options).items()} | {DIFFERENCE: "Difference"}
    if len(labels) == 2:
        return choice
    key = linked.showing("lens-kinds", [option.kind for option in choice.shown] + [DIFFERENCE] * bool(choice.difference))
    st.segmented_control(
        "Lens",
        list(labels),
        format_func=lambda kind: labels[kind],
        selection_mode="multi",
        key=key,
        on_change=linked.taken(key, partial(_write_kinds, options)),
    )
    for option in choice.shown:
        variants = [each.variant for each in options if each.kind == option.kind]
        if len(variants) > 1:
            _variant_box(option, variants)
    return choice


def _variant_box(option: LensOption, variants: list[str]) -> None:
    key = linked.showing(f"lens-variant-{option.kind}", option.variant)

    def write(variant: str) -> None:
        kept = [name for name in url.read_all("lens") if name.lower().partition(":")[0] != option.kind]
        url.write_all("lens", [*kept, f"{option.kind}:{variant}"])

    st.selectbox(f"{option.label} lens", variants, key=key, width=150, on_change=linked.taken(key, write))


def _write(name: str) -> None:
    url.write("lens", name)


def _write_kinds(options: Sequence[LensOption], kinds: Sequence[str]) -> None:
    """A kind that was chosen already keeps its variant."""
    names = {kind: option.name for kind, option in (_first_of_kinds(options) | _named(options)).items()} | {DIFFERENCE: DIFFERENCE}
    url.write_all("lens", [name for kind, name in names.items() if kind in kinds])


def _first_of_kinds(options: Sequence[LensOption]) -> dict[str, LensOption]:
    """By kind, in the order of the menu."""
    first: dict[str, LensOption] = {}
    for option in options:
        first.setdefault(option.kind, option)
    return first


def _named(options: Sequence[LensOption]) -> dict[str, LensOption]:
    """By kind, in the URL's order: the lenses it names, of each kind the first."""
    found: dict[str, LensOption] = {}
    for name in url.read_all("lens"):
        if option := _find(options, name.lower()):
            found.setdefault(option.kind, option)
    return found


def _check(options: Sequence[LensOption], shown: str) -> None:
    given = url.read_all("lens")
    missing.check("lens", given, [name for name in given if name.lower() == DIFFERENCE or _find(options, name.lower())], shown)


def _find(options: Sequence[LensOption], name: str) -> LensOption | None:
    """By name. A kind alone stands for its first variant, or the one that a link of old gives, as in `lens=Tuned&tuned=odd`."""
    kind, _, variant = name.partition(":")
    of_kind = [option for option in options if option.kind == kind]
    wanted = variant or st.query_params.get(kind, "")
    exact = next((option for option in of_kind if option.variant == wanted), None)
    return exact or (of_kind[0] if of_kind and not variant else None)


def notes(inspection: Inspection) -> None:
    """The cards of trained lenses in two lines each, with a badge when one was trained on this very prompt."""
    for card in inspection.lens_cards.values():
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if card.trained_on(inspection.rollout.question):
                st.badge("this prompt is in the lens' training set", icon=":material/warning:", color="orange")
            st.caption(plain(summary(card)), width="stretch")


def abouts(options: Sequence[LensOption]) -> str:
    """How to read these lenses, a sentence for each kind."""
    return " ".join(dict.fromkeys(option.about for option in options))


def summary(card: LensCard) -> str:
    """A lens in a sentence: what it was trained on, and how much better than the logit lens it is on questions it never saw."""
    where = f"indices {', '.join(map(str, card.indices))}" if card.indices else "the prompt's text"
    below = (slice(None), slice(None, -1))
    kl, plain_kl = (float(np.mean(values[below])) for values in (card.kl, card.kl_plain))
    agree, plain_agree = (float(np.mean(values[below])) for values in (card.agree, card.agree_plain))
    return (
        f"{card.name}: trained on {card.n_latents:,} residual streams of {where} from '{card.train_set}'. On {card.n_held_out:,} held-out "
        f"questions ('{card.held_out_set}') its KL to the output is {kl:.2f} nats (logit lens {plain_kl:.2f}) and its top token is the "
        f"output's in {agree:.0%} of cells (logit lens {plain_agree:.0%}). Outside that domain it promises nothing."
    )
