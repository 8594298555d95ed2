"""What a person asks for, in names and numbers: requests are hashed, sent to workers, and written as links and command lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from codi_core.keys import key_of
from codi_core.lenses.registry import DEFAULT_LENS
from codi_core.steering.methods import Method
from codi_core.steering.vectors import Source, VectorSpace
from codi_core.sweeps.spec import CellId
from codi_core.values.model import RolloutConfig


@dataclass(frozen=True)
class MeansRequest:
    """Questions that directions are made from."""

    kind: ClassVar[str] = "means-request"
    eval_set: str = "means"
    n: int = 500
    """0 = all."""
    seed: int = 0
    only: Literal["all", "addition"] = "all"


@dataclass(frozen=True)
class VectorRequest:
    kind: ClassVar[str] = "vector"
    model: str
    source: Source
    where: VectorSpace
    means: MeansRequest = field(default_factory=MeansRequest)
    passes: int = 6


@dataclass(frozen=True)
class DoseRequest:
    kind: ClassVar[str] = "dose"
    model: str
    method: Method
    means: MeansRequest = field(default_factory=MeansRequest)
    passes: int = 6


@dataclass(frozen=True)
class SteerRequest:
    kind: ClassVar[str] = "steer"
    model: str
    """Name of a preset, a hub id or a folder."""
    prompt: str
    interventions: tuple[Method, ...]
    means: MeansRequest = field(default_factory=MeansRequest)
    passes: int = 6
    max_new_tokens: int = RolloutConfig.max_new_tokens
    control_seed: int = 0
    lenses: tuple[str, ...] = (DEFAULT_LENS,)
    tracked: tuple[str, ...] = ()
    gold: str = ""
    """The right answer as a person gives it; empty: what we know, if anything."""
    steps: tuple[str, ...] = ()
    """Values of the reasoning steps, as given."""

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True)
class ConditionRequest:
    """An intervention on an eval set. No intervention at all: the baseline itself."""

    kind: ClassVar[str] = "condition-request"
    model: str
    """Name of a preset, a hub id or a folder."""
    interventions: tuple[Method, ...]
    eval_set: str = "bundled"
    """A name in EVAL_SETS, or a file."""
    n: int = 200
    """0 = all, or 1,000 of a generated set."""
    seed: int = 0
    means: MeansRequest = field(default_factory=MeansRequest)
    passes: int = 6
    max_new_tokens: int = RolloutConfig.max_new_tokens
    overlap: bool = False
    """As in the posts: means may come from evaluated questions. To be marked on screen."""
    against: Literal["same", "all"] = "same"
    """Baseline: coefficient 0 with as many passes as the condition runs, or with all of ``passes``."""
    controls: int = 0
    """Random directions to run after it; 20 or more give a percentile."""

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True)
class SweepRequest:
    """A preset's grid on a model and an eval set."""

    kind: ClassVar[str] = "sweep-request"
    model: str
    """Name of a preset, a hub id or a folder."""
    preset: str
    """A name in SWEEPS."""
    eval_set: str = "templates"
    """A name in EVAL_SETS, or a file."""
    n: int = 0
    """0 = all, or 1,000 of a generated set."""
    seed: int = 0
    passes: int = 6
    randoms: int = 8
    """Random directions of a band, each pushed both ways: as long as a cell's own push, for the cells that are claimed or significant."""
    shuffled: int = 2
    """Differences of shuffled steps in a band, besides."""
    means_n: int | None = None
    """Questions behind the means; None: as the preset says."""
    only: tuple[CellId, ...] = ()
    """Exactly these cells, with their bands, instead of the preset's grid."""
    bands: tuple[CellId, ...] = ()
    """Nothing but the bands of these cells."""
    bands_at: tuple[float, ...] = ()
    """Bands of all other cells at these sizes of the coefficient, too."""
