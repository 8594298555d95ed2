"""CODI Explorer: see and steer the latent thoughts of CODI language models.

    import codi_core as codi

    model = codi.load("bundled-steps")
    thought = model.think("A team starts with 3 members. …")

The names below are those of `codi_core.api`, imported when they are first used.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

# Both are read once, when torch loads; nothing else of ours happens at import. OpenMP's default, spinning, lets idle threads fight the
# working ones on shared cores (measured 18.5 s with two threads against 7.1 s with one). Large tensors in large pages: the system clears
# memory for them in fewer steps.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

if TYPE_CHECKING:
    from codi_core.api import (
        Accuracy,
        Claims,
        Effect,
        FieldClaims,
        Influences,
        LensReading,
        MeansRequest,
        Model,
        Patched,
        Steered,
        Sweep,
        Thought,
        claims,
        load,
        sweep,
    )

__all__ = [
    "Accuracy",
    "Claims",
    "Effect",
    "FieldClaims",
    "Influences",
    "LensReading",
    "MeansRequest",
    "Model",
    "Patched",
    "Steered",
    "Sweep",
    "Thought",
    "claims",
    "load",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'codi_core' has no attribute {name!r}")
    return getattr(importlib.import_module("codi_core.api"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
