"""How many latent passes are run: `passes=` in the address, and without it as many as the chosen model was trained with."""

from __future__ import annotations

from typing import Any

from codi_core.services.cards import ModelCard
from codi_core.ui.shell import codec, url
from codi_core.ui.widgets import linked
from codi_core.values.model import RolloutConfig

MOST = 16
SHOWN = 8
"""Numbers that are always offered."""


def param() -> Any:
    """For a page's `Setup`; None: the model's own."""
    return codec.whole("passes", None, MOST)


def of(card: ModelCard) -> int:
    """As many as it was trained with; where nobody knows, as CODI."""
    return RolloutConfig.passes if card.passes is None else card.passes


def given(card: ModelCard) -> int:
    """What `choose` says, where it is not shown."""
    counts = [str(count) for count in range(max(SHOWN, of(card)) + 1)]
    return int(url.one_of("passes", counts, str(of(card))))


def choose(card: ModelCard, least: int = 0) -> int:
    own = of(card)
    label = f"Latent passes ({own} assumed)" if card.passes_assumed else "Latent passes"
    return linked.count(label, "passes", range(least, max(SHOWN, own) + 1), default=own, about=_about(card))


def small(card: ModelCard) -> int:
    """As `choose`, in a list without a label."""
    own, counts = of(card), [str(count) for count in range(max(SHOWN, of(card)) + 1)]

    def title(count: str) -> str:
        return f"{count} passes{' (assumed)' if card.passes_assumed and int(count) == own else ''}"

    width = 190 if card.passes_assumed else 115
    return int(
        linked.select("Latent passes", "passes", counts, default=str(own), title=title, about=_about(card), width=width, visible=False)
    )


def _about(card: ModelCard) -> str:
    if not card.passes_assumed:
        return f"This model was trained with {of(card)}."
    return f"Assumed, for no file says it: {card.passes_hint or f'{of(card)} are usual in the family {card.family_label}'}."
