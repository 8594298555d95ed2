"""What a steering method brings. Its one file and its row in `methods.METHODS` are all that a new one costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from codi_core.steering.context import BatchContext, Directions
from codi_core.steering.edits import Edit
from codi_core.steering.limits import Then
from codi_core.steering.vectors import Control, Difference, VectorSpace
from codi_core.values.reach import Reach
from codi_core.values.vectors import Space

if TYPE_CHECKING:
    from codi_core.models.model import CodiModel

DOSES = {"dose": "dose", "dose_k": "keys", "dose_v": "values"}
"""Names of `Method.doses`: columns of the sweeps' tables, and what the screen calls them."""
PASSES: dict[Then, tuple[str, str]] = {"stop": ("no pass more than it needs", "■"), "continue": ("all passes", "→")}
"""What a variant's title and axis label say of the passes that follow."""


class Method(Protocol):
    """A frozen dataclass, hashed by its ``kind`` and fields. The fields' metadata (`options.option`) are its form."""

    kind: ClassVar[str]
    """Never changes: it is part of keys, links and command lines."""
    label: ClassVar[str]
    """For people."""

    @property
    def indices(self) -> tuple[int, ...]: ...

    @property
    def coefficient(self) -> float: ...

    @property
    def space(self) -> Space:
        """Where it edits."""

    @property
    def where(self) -> VectorSpace:
        """Where its directions are made."""

    @property
    def needs_means(self) -> bool:
        """Whether ``edits`` needs directions."""

    @property
    def coefficients(self) -> dict[str, float]:
        """By name; all zero = the baseline."""

    def with_coefficient(self, coefficient: float) -> Self:
        """The same with another coefficient."""

    def passes(self, passes: int) -> int:
        """Passes to run out of ``passes``."""

    @property
    def first_pass(self) -> int:
        """The first pass the edits reach; beyond ``passes``: only the answer is reached."""

    @property
    def first_slot(self) -> int:
        """The first cache slot that is not as it was."""

    def check(self, model: CodiModel, passes: int) -> None:
        """Raises InterventionError when this cannot be done on the model, or would do nothing."""

    def edits(self, rows: BatchContext, directions: Directions | None) -> tuple[Edit, ...]: ...

    def reach(self, shape: tuple[int, int]) -> Reach:
        """Where it acts and what it can change, of so many (indices, depths): `values.reach.reach` does the geometry."""

    def control(self, seed: int, how: Control = "random") -> Method:
        """The same edit as large, in a direction that means nothing: another one for another seed.

        ``shuffled``: made of shuffled steps, where there are steps to shuffle; otherwise the same as ``random``.
        """

    def doses(self, directions: Directions, index: int) -> dict[str, float]:
        """Length of the push over the mean length of what stands at ``index``, by names in DOSES; none where nothing is added."""

    @classmethod
    def variants(cls, layers: int) -> dict[str, Variant]:
        """Ways of it that a sweep can name, along a difference of means, for models of up to ``layers`` layers.

        Names are part of the keys of stored sweeps: whoever changes what one does gives it a new name.
        """


Maker = Callable[[int, int, int, float], Method]
"""A, B, index, coefficient → method along the difference B − A."""


@dataclass(frozen=True)
class Variant:
    """A way of steering that a sweep can name."""

    title: str
    short: str
    """On an axis."""
    make: Maker


def along(spec: Callable[..., Method], **options: object) -> Maker:
    """A method with these options, by its pair, index and coefficient."""

    def make(a: int, b: int, index: int, coefficient: float) -> Method:
        return spec(source=Difference(a, b), coefficient=coefficient, indices=(index,), **options)

    return make
