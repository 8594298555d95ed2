"""Prompts rolled out once, from which conditions fork: each copies the slots its edits reach and runs the passes from there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from codi_core.engine.cache import Cache, Prefix
from codi_core.engine.editors import edits_by_site
from codi_core.engine.steps import Latents, Steps, nothing
from codi_core.steering.context import BatchContext
from codi_core.steering.edits import BatchEditor, Edit, edit_slots, edit_states
from codi_core.values.callbacks import CheckCancelled

ANSWER_SLOTS = 6
"""Slots for eot and the answer where nobody knows how many there will be."""


@dataclass(frozen=True)
class Plan:
    """The shape of a computation, which rounding depends on."""

    first: int
    """First pass to run; beyond ``passes`` = none."""
    own: int
    """First cache slot that each condition has for itself; those before it are shared."""
    passes: int
    conditions: int


def roll_out(
    steps: Steps,
    prompts: Prefix,
    names: tuple[str, ...],
    passes: int,
    donors: Callable[[str, int], BatchContext] | None = None,
    check_cancelled: CheckCancelled = nothing,
) -> BatchContext:
    """The unsteered latents of prompts; ``names`` and ``donors`` as in `BatchContext`."""
    cache = steps.open_cache(prompts, slots=passes + 1)
    latents = steps.think(cache, passes, check_cancelled=check_cancelled)
    return BatchContext(steps.model, names, prompts.lengths, latents.h, latents.z, cache.keys, cache.values, donors)


@dataclass(frozen=True, eq=False)
class Rolled:
    """Rows of a batch after all their passes. To be used with the engine held."""

    steps: Steps
    rows: BatchContext
    prefix: Prefix
    """Prompts followed by all latents."""

    @property
    def passes(self) -> int:
        return self.rows.z.shape[1] - 1

    def fork(self, plan: Plan, room: int = ANSWER_SLOTS) -> Cache:
        """Slots before the first pass to run: those that no edit touches are shared, the others copied for every condition.

        ``room``: slots for what is fed after the passes; the cache grows when more is.
        """
        prefix = self.prefix.shortened(self.passes + 1 - plan.own)
        copied = plan.first - plan.own
        cache = self.steps.open_cache(prefix, plan.conditions, plan.passes + 1 - plan.own + room, plan.own)
        for own, kept in ((cache.keys, self.rows.keys), (cache.values, self.rows.values)):
            by_condition = own.view(-1, plan.conditions, kept.shape[1], *own.shape[2:])
            by_condition[:, :, :, :, :copied] = kept[:, None, :, :, plan.own : plan.first]
        cache.length = copied
        return cache

    def think_on(
        self,
        edits: Sequence[Sequence[Edit]],
        plan: Plan,
        check_cancelled: CheckCancelled = nothing,
        record: bool = False,
        room: int = ANSWER_SLOTS,
    ) -> tuple[Cache, Latents | None]:
        """Rows of every condition after their passes, and what the passes that ran anew gave. ``room`` as in `fork`."""
        cache, model = self.fork(plan, room), self.steps.model
        if plan.first > 0:
            edit_slots(cache, edits, plan.first - 1)
        if plan.first > plan.passes:
            return cache, None
        z = None
        if plan.first > 0:
            h = edit_states(self.rows.h[:, plan.first - 1].repeat(len(edits), 1), edits, "h", plan.first - 1)
            z = edit_states(model.project(h), edits, "z", plan.first - 1)
        later = [[edit for edit in own if edit.index >= plan.first] for own in edits]
        by_site = edits_by_site([BatchEditor(later)], plan.passes, model.n_layers)
        return cache, self.steps.think(cache, plan.passes, by_site, record, check_cancelled, z)
