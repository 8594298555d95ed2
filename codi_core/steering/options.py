"""What a person is told about the fields of a spec: label, help, and how a form shows them. Metadata of the field, no part of a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Counts = Literal["index", "layer", "depth", "head"]
"""What the whole numbers of a field number: indices of a rollout 0..passes, layers of the KV cache 0..L-1, depths 1..L, KV heads."""


@dataclass(frozen=True)
class Option:
    """About one field."""

    label: str
    about: str
    names: Mapping[str, str] = field(default_factory=dict)
    """Of the choices, as a person reads them; a choice without one is shown as it is."""
    counts: Counts | None = None
    first: str = ""
    """What a form starts with where the field has no default, as a flag's text."""
    shown: Literal["form", "more", "dial"] = "form"
    """``more``: folded away, for what most people leave alone; ``dial``: the coefficient, which has a slider of its own."""
    half: bool = False
    """Shares a line of the form with a neighbour that is half as well."""
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Only used when each option named has one of these values."""
    apart: str = ""
    """The whole number of a field that this one cannot be."""
    without: tuple[str, ...] = ()
    """Of a source: kinds that cannot be chosen here."""


def option(label: str, about: str, **more: Any) -> dict[str, Option]:
    """Metadata of a field: ``name: type = field(default=…, metadata=option("Label", "Help.", counts="index"))``.

    ``more`` are fields of `Option`.
    """
    return {"option": Option(label, about, **more)}


def like(shared: Mapping[str, Option], **changes: Any) -> dict[str, Option]:
    """Metadata that several specs share, with what is different here."""
    return {"option": replace(shared["option"], **changes)}


# What several specs share

COEFFICIENT = option("Coefficient α", "What the vector is multiplied with before it is added; 0 is the baseline.", first="1", shown="dial")
INDICES = option("At index", "Latents that are edited, each in the same way. Index k is latent pass k.", counts="index", first="3")
DEPTH = option(
    "After block",
    "Depth of the residual stream; the last one is the output.",
    counts="depth",
    first="1",
    half=True,
    when={"space": ("resid",)},
)
LAYERS = option("Layers", "Of the KV cache. None chosen: all.", counts="layer", shown="more")
HEADS = option("KV heads", "None chosen: all.", counts="head", shown="more")
THEN = option(
    "Then",
    "Continue with the remaining passes, or stop: run no more passes than the edit needs, then answer.",
    names={"continue": "Continue to the last pass", "stop": "Stop, then answer"},
)
SEED = option("Seed", "Another number, another random draw.", half=True)
A = option("A", "Index of the first mean latent; 0 is the end of the prompt.", counts="index", first="2", apart="b")
B = option("B", "Index of the second mean latent.", counts="index", first="4", apart="a")
