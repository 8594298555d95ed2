"""Long work in many turns: others get to the model in between, progress is seen, and the work can be called off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from codi_core.engine.engine import Engine
from codi_core.services.shared.workbench import Workbench
from codi_core.values.callbacks import CheckCancelled, OnProgress, OnWait

Item = TypeVar("Item")
Result = TypeVar("Result")

TURN = 100
"""Items a turn: a second or so of the bundled model on two cores."""


@dataclass(frozen=True)
class Turns:
    """One viewer's way to the model."""

    workbench: Workbench
    model: str
    viewer: str
    on_progress: OnProgress | None = None
    on_wait: OnWait | None = None

    def once(self, work: Callable[[Engine, CheckCancelled], Result]) -> Result:
        return self.workbench.run(self.model, work, self.viewer, self.on_wait)

    def each(self, items: Sequence[Item], work: Callable[[Sequence[Item], Engine, CheckCancelled], list[Result]]) -> list[Result]:
        """``work`` on TURN items after the other, all results in order. Raises what ``work`` and ``on_wait`` raise."""
        results: list[Result] = []
        for part in self.parts(items, work):
            results += part
            if self.on_progress:
                self.on_progress(len(results), len(items))
        return results

    def parts(
        self, items: Sequence[Item], work: Callable[[Sequence[Item], Engine, CheckCancelled], list[Result]]
    ) -> Iterator[list[Result]]:
        """The same, a turn's results at a time."""
        for start in range(0, len(items), TURN):
            yield self.once(partial(work, items[start : start + TURN]))
