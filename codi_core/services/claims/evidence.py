"""What was measured for a claim, question by question: stored once, judged whenever it is looked at."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from codi_core.keys import key_of
from codi_core.store import Store, save_json, save_npz
from codi_core.values.model import ModelSpec
from codi_core.values.stats import Clusters

log = logging.getLogger(__name__)
KIND, ARRAYS, FACTS = "claims", "values.npz", "facts.json"


@dataclass(frozen=True)
class EvidenceSpec:
    kind: ClassVar[str] = "claim-evidence"
    model: ModelSpec
    claim: str
    """Its key in CLAIMS."""
    revision: int
    eval_set: str
    passes: int
    control: str = ""
    """Key of the spec of the model it is compared with."""

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True, eq=False)
class Evidence:
    spec: EvidenceSpec
    arrays: Mapping[str, npt.NDArray[Any]]
    """``[question …]``; NaN where a question says nothing."""
    clusters: Clusters
    facts: Mapping[str, Any]
    """What has no question of its own; ``untestable``: the reason why nothing was measured."""
    created: str = ""


def keep(store: Store, found: Evidence) -> None:
    def fill(folder: Path) -> None:
        arrays = {f"values_{name}": np.asarray(values, np.float32) for name, values in found.arrays.items()}
        clusters = {f"clusters_{way}": np.asarray(labels).astype(str) for way, labels in enumerate(found.clusters)}
        if arrays:
            save_npz(folder / ARRAYS, {**arrays, **clusters})
        save_json(folder / FACTS, dict(found.facts))

    store.keep(KIND, found.spec, fill)


def evidence_keys(store: Store) -> tuple[str, ...]:
    """Of all that is stored: another tuple, and there is something new to read."""
    return tuple(store.keys(KIND))


def stored_evidence(store: Store) -> dict[str, dict[str, Evidence]]:
    """By a model's name and the claim's key, the newest first of two. Of two checkpoints of one name only the newer one's: they are never
    joined."""
    readable, reasons = store.readable(KIND, EvidenceSpec)
    for reason in reasons:
        log.warning("left out: %s", reason)
    newest: dict[str, ModelSpec] = {}
    ordered = sorted(readable, key=lambda pair: (pair[0].meta.created, pair[0].meta.key), reverse=True)
    found: dict[str, dict[str, Evidence]] = {}
    for artifact, spec in ordered:
        if newest.setdefault(spec.model.name, spec.model) != spec.model:
            continue
        arrays = artifact.npz(ARRAYS) if ARRAYS in artifact.meta.files else {}
        values = {name.removeprefix("values_"): each for name, each in arrays.items() if name.startswith("values_")}
        clusters = [labels for name, labels in sorted(arrays.items()) if name.startswith("clusters_")]
        own = Evidence(spec, values, clusters, artifact.json(FACTS), artifact.meta.created)
        found.setdefault(spec.model.name, {}).setdefault(spec.claim, own)
    return found
