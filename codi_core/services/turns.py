"""Long work in many turns: others get to the model in between, progress is seen, and the work can be called off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from codi_core.backend.worker import Check
from codi_core.services.workbench import Poke, Workbench

Item = TypeVar("Item")
Result = TypeVar("Result")
OnProgress = Callable[[int, int], None]
"""(done, total), called in the thread of whoever waits."""

TURN = 100
"""Items a turn: a second or so of the bundled model on two cores."""


@dataclass(frozen=True)
class Turns:
    """One viewer's way to the model."""

    workbench: Workbench
    viewer: str
    on_progress: OnProgress | None = None
    poke: Poke | None = None

    def once(self, work: Callable[[Check], Result]) -> Result:
        return self.workbench.run(work, self.viewer, self.poke)

    def each(self, items: Sequence[Item], work: Callable[[Sequence[Item], Check], list[Result]]) -> list[Result]:
        """``work`` on TURN items after the other, all results in order. Raises what ``work`` and ``poke`` raise."""
        results: list[Result] = []
        for start in range(0, len(items), TURN):
            results += self.once(lambda check, part=items[start : start + TURN]: work(part, check))  # type: ignore[misc]
            if self.on_progress:
                self.on_progress(len(results), len(items))
        return results
