"""What a claim of the field is: a sentence with its source, what is measured of a model, and the conditions that decide it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from codi_core.services.claims.asked import Asked, Measured
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part

Ruling = Literal["reproduced", "not reproduced", "reversed", "not clear", "not testable", "not measured"]


@dataclass(frozen=True)
class FieldClaim:
    """A row of CLAIMS."""

    key: str
    """Its number, as in C5. Evidence is stored under it: never changed."""
    sentence: str
    """In our words."""
    source: str
    """Claims of one source are tested together: p is adjusted over them (Holm)."""
    eval_set: str
    """That of the source. Where a model did not learn its kind of question, the nearest of its own (`asked.OWN`)."""
    statistic: str
    reproduced: str
    reversed: str
    page: str
    """Where the same is looked at live, by its name in PAGES, with ``fields`` of that page's Setup."""
    measure: Callable[[Asked], Measured]
    """Question by question. Raises Untestable with the reason, and CodiError where something has to be made first."""
    parts: Callable[[Evidence], list[Part]]
    """The conditions, the claim's own first: it is reversed when that one is the opposite."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    beside: Callable[[Asked], str] | None = None
    """The model it is compared with, where it is about two. Raises InputError where there is none yet, Untestable where there cannot be."""
    needs: str = ""
    """What has to be there before it can be measured, where that is more than the model; ``{model}`` is its name."""
    revision: int = 1
    """Counts up when ``measure`` changes: evidence of an earlier one is not this claim's."""


@dataclass(frozen=True, eq=False)
class FieldVerdict:
    claim: FieldClaim
    model: str
    ruling: Ruling
    why: str
    """In one sentence."""
    parts: tuple[Part, ...] = ()
    adjusted: float = float("nan")
    """p of what decides it, adjusted over the claims of its source."""
    over: int = 0
    """How many these are."""
    on: str = ""
    """The eval set."""
    key: str = ""
    """Of the evidence; empty where there is none."""
    needed: str = ""
    """The command that would measure it; empty when it is measured."""

    @property
    def line(self) -> str:
        """The number that decides it, with its interval; empty where there is none."""
        return self.parts[0].words if self.parts else ""
