"""The likeliest tokens somewhere, as a list one can click."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from codi_core.figures.text import glyphs, percent
from codi_core.ui.widgets.component import component, event
from codi_core.values.model import TopToken

_mount = component("ranking", "<ol></ol>")


def ranking(
    tokens: Sequence[TopToken],
    *,
    label: str,
    key: str,
    on_pick: Callable[[TopToken], None],
    marked: Collection[int] = (),
    hint: str = "Track this token",
) -> None:
    """``on_pick(token)`` runs before the next script run; ``marked`` ids are underlined."""

    def picked() -> None:
        token = event(key, "pick")
        for candidate in tokens:
            if candidate.id == token:
                on_pick(candidate)

    items = [
        {"id": t.id, "text": glyphs(t.token), "share": percent(t.prob), "level": t.prob, "marked": t.id in marked, "hint": hint}
        for t in tokens
    ]
    _mount(key=key, data={"items": items, "label": label}, on_pick_change=picked)
