"""Two-prompt patching: what is taken from one prompt, where it is put in another, and what the answer makes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from codi_core.errors import InterventionError
from codi_core.keys import ADDED_LATER, key_of
from codi_core.values.arrays import Floats
from codi_core.values.questions import EvalSetSpec
from codi_core.values.reach import Reach
from codi_core.values.stats import Estimates

Way = Literal["denoising", "noising"]
WAYS: tuple[Way, ...] = get_args(Way)
Donor = Literal["source", "random", "other", "mean", "same"]
"""What is put in place: the source's own cell; a random vector as long; that cell of another question; its mean over the source's
template; that cell of a question with the target's own answer and other numbers."""
DONORS: tuple[Donor, ...] = get_args(Donor)
Follows = Literal["source", "target", "other"]
FOLLOWS: tuple[Follows, ...] = get_args(Follows)
FEWEST_NATS = 1.0
"""Pairs whose logit differences are nearer to each other have no recovery: it would divide by almost nothing."""


@dataclass(frozen=True)
class Place:
    """Cells of one prompt. Written ``3.4`` (index 3, depth 4), ``3`` (all its depths), ``0-3`` (all depths of several), ``kv3``, ``z2``."""

    indices: tuple[int, ...]
    depth: int | None = None
    """Of the residual stream: 0 = what is fed in, z of the pass before; None: all depths, or the KV slot."""
    slot: bool = False
    """Keys and values of the cache slot, all layers, instead of the residual stream."""

    def __str__(self) -> str:
        first, last = self.indices[0], self.indices[-1]
        indices = str(first) if first == last else f"{first}-{last}"
        return f"{'kv' if self.slot else ''}{indices}{'' if self.depth is None else f'.{self.depth}'}"


@dataclass(frozen=True)
class Patch:
    """From a place of the source prompt to a place of the target prompt."""

    source: Place
    target: Place

    @property
    def first_pass(self) -> int:
        """The first pass of the target that is not as it was."""
        return self.target.indices[0] + self.target.slot

    @property
    def first_slot(self) -> int:
        return self.target.indices[0]

    def check(self, passes: int, n_layers: int) -> None:
        """Raises InterventionError when there is no such place, or nothing could change there."""
        for place in (self.source, self.target):
            _check(place, passes, n_layers)
        if self.source.slot != self.target.slot or (self.source.depth is None) != (self.target.depth is None):
            raise InterventionError(f"{self.source} cannot be put at {self.target}: cells go to cells, slots to slots, all depths to all.")
        if len(self.source.indices) != len(self.target.indices):
            raise InterventionError(f"{self.source} cannot be put at {self.target}: name as many indices on both sides.")
        if (self.target.indices[0], self.target.depth) == (0, 0):
            raise InterventionError("Depth 0 of index 0 is the embedding of bot, the same in every prompt: choose another target.")


def place_of(text: str, passes: int) -> Place:
    """The inverse of ``str``. Raises InterventionError, for z of the last pass too, which nothing consumes."""
    found = re.fullmatch(r"(kv|z)?([0-9]{1,3})(?:-([0-9]{1,3}))?(?:\.([0-9]{1,3}))?", text.strip())
    if not found or (found[4] and (found[1] or found[3])) or (found[1] == "z" and found[3]):
        raise InterventionError(f"'{text:.40}' names no place: write 3.4 (index.depth), 3 or 0-3 (all depths), kv3 (a cache slot) or z2.")
    first, last = int(found[2]), int(found[3] or found[2])
    if found[1] == "z":
        if first >= passes:
            raise InterventionError(
                f"z at index {first} is computed but never consumed: pass {passes} is the last, so a patch would change nothing. Choose z0 "
                f"to z{passes - 1}, or a cell of the residual stream or the KV slot there."
            )
        return Place((first + 1,), 0)
    if last < first:
        raise InterventionError(f"'{text}' goes backwards: write {last}-{first}.")
    return Place(tuple(range(first, last + 1)), int(found[4]) if found[4] else None, found[1] == "kv")


def _check(place: Place, passes: int, n_layers: int) -> None:
    if not place.indices or place.indices[-1] > passes:
        raise InterventionError(f"{place} is outside this rollout: it has indices 0 (bot) to {passes}.")
    if place.depth is not None and place.depth > n_layers:
        raise InterventionError(f"{place} is outside this model: it has depths 0 (what is fed in) to {n_layers}.")


@dataclass(frozen=True)
class PatchSide:
    """One of the two prompts, as it is."""

    prompt: str
    tokens: int
    """Of the prompt, bot included."""
    answer: str


@dataclass(frozen=True)
class PatchEffect:
    """What one patch did to the answer of one target prompt."""

    recovery: float | None
    """(LD patched − LD target) / (LD source − LD target); 0 = as the target, 1 = as the source. None: see FEWEST_NATS."""
    ld: float
    """Logit of the source's answer minus logit of the target's, at the first token at which they differ."""
    ld_source: float
    """Of the source, unpatched."""
    ld_target: float
    dlog_p: tuple[float, float]
    """Change of the log-probability of the source's and of the target's answer (nats)."""
    answer: str
    follows: Follows
    identical: bool
    """Whether every number is the unpatched target's, bit for bit."""
    norm: float
    """Length of what was put there over that of what stood there; NaN for slots."""


@dataclass(frozen=True, eq=False)
class PatchedPair:
    """Two prompts and a patch, beside a random vector as long at the same place."""

    key: str
    source: PatchSide
    target: PatchSide
    same_answer: bool
    effect: PatchEffect
    random: PatchEffect
    reached: Reach
    """Of the target: where something is put, and what that can change."""


@dataclass(frozen=True)
class PatchMapSpec:
    """Every cell of the source put at the same cell of the target."""

    kind: ClassVar[str] = "patch-map"
    model: str
    """Key of its spec."""
    prompts: tuple[str, ...]
    """Clean and corrupt, of a single pair; none: pairs of the eval set."""
    eval_set: EvalSetSpec | None
    n: int
    """Pairs wanted."""
    way: Way
    donor: Donor
    passes: int
    max_new_tokens: int
    seed: int = 0
    pairs_of: str = field(default="", metadata=ADDED_LATER)
    """Key of the model whose pairs these are; empty: its own, that it answers right."""

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True, eq=False)
class PatchMap:
    """Recovery at every cell, a mean over pairs."""

    spec: PatchMapSpec
    pairs: tuple[tuple[str, str], ...]
    """Ids (or prompts) of source and target, in the order of the arrays."""
    answers: tuple[tuple[str, str], ...]
    """Unpatched, of source and target."""
    left_out: int
    """Pairs without a recovery, see FEWEST_NATS. Their answers are counted."""
    done: float
    """Of the indices, how many are complete."""
    recovery: Estimates
    """``[index depth]``; NaN where nothing is put. The interval is NaN for a single pair."""
    each: Floats
    """``[pair index depth]``; NaN for pairs left out."""
    follows: Floats
    """``[3 index depth]``: share of patched answers that are the source's, the target's, another one (FOLLOWS)."""
    dlog_p: Floats
    """``[2 index depth]``: mean change of log p of the source's and of the target's answer (nats)."""
    norm: Floats
    """``[index depth]``: mean length of what was put there over that of what stood there."""
