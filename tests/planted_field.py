"""Made-up measurements for every claim of the field: one on which it holds, one that says the opposite. A new claim brings its two here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence, EvidenceSpec
from tests.sweep_tables import MODEL

QUESTIONS = 240
CLUSTERS = [np.arange(QUESTIONS) // 3, np.arange(QUESTIONS) % 20]
Arrays = Mapping[str, npt.NDArray[Any]]
Planted = tuple[Arrays, Mapping[str, Any]]


def around(mean: float, *columns: float, spread: float = 0.05) -> npt.NDArray[Any]:
    """Values of questions around a mean, or a column around each of several."""
    means = np.array([mean, *columns]) if columns else mean
    return np.random.default_rng(0).normal(means, spread, (QUESTIONS, len(columns) + 1) if columns else QUESTIONS)


def coins(share: float) -> npt.NDArray[Any]:
    return (np.random.default_rng(0).permutation(QUESTIONS) < share * QUESTIONS).astype(float)


def steps_lost(*accuracies: float) -> npt.NDArray[Any]:
    """The same questions are easy under every condition."""
    easy = np.random.default_rng(0).permutation(QUESTIONS) / QUESTIONS
    return np.stack([easy < share for share in accuracies], 1).astype(float)


def evidence(claim: FieldClaim, arrays: Arrays, facts: Mapping[str, Any] | None = None) -> Evidence:
    spec = EvidenceSpec(MODEL, claim.key, claim.revision, "templates", 6)
    return Evidence(spec, arrays, CLUSTERS if arrays else (), facts or {})


PLACED, ELSEWHERE = (0.1, 0.6, 0.1, 0.1, 0.1, 0.1), (0.1, 0.1, 0.1, 0.6, 0.1, 0.1)
"""Found most at latent 2, and at latent 4."""
FIRST = {"first": (np.arange(QUESTIONS) % 2).astype(float)}
NULLS = {"locality": 1 / 3, "span": 7 / 3}
NEVER = {"named": {"reproduced": 16}, "never": "reproduced", "never_why": "No cell is."}
FAMILIES = {"families": ["sum", "chain"], "spelled_out": 0.1}
SEEDS = {"seeds": 3}

HOLDS: dict[str, Planted] = {
    "C1": ({"step 1": around(*PLACED), "step 2": around(*ELSEWHERE)}, {}),
    "C3": ({"change": np.zeros(QUESTIONS)}, {}),
    "C4": ({"tuned": around(0.5), "plain": around(0)}, {}),
    "C5": ({"ahead": around(*[0.2] * 10)}, {}),
    "C6": ({"peaks": around(0.4)}, {}),
    "C7": ({"text": around(0.2), "latent": around(0.5)}, {}),
    "C8": ({"tuned": around(2), "plain": around(1)}, {}),
    "C9": ({"trend": around(0.1), "odd": around(0.2)}, {}),
    "C12": ({"named": around(0.1)}, NEVER),
    "C13": ({}, {"verdict": "reproduced", "why": "Every cell is."}),
    "C14": ({"h": around(0.4), "kv": around(0)}, {"rank": 1}),
    "C15": ({"beyond": around(0), "change": around(0)}, {}),
    "C16": ({"accuracy_bundled": around(0.1), "accuracy_wordings": around(0.2), "diversity": around(0.2)}, SEEDS),
    "C18": ({"change": around(0, 0)}, FAMILIES),
    "C22": ({"locality": around(0.2), "span": around(3)}, NULLS),
    "C24": ({"own": around(0.3), "twin": around(0.3)}, {}),
    "C26": ({"bundled": around(0), "wordings": around(0)}, SEEDS),
    "C27": ({"change": around(0, 0)}, {"patches": ["z", "kv"], "donor_z": 0.0, "donor_kv": 0.0}),
    "C28": ({"flips": np.zeros(QUESTIONS)}, {}),
    "C29": ({"right": steps_lost(0.9, 0.9, 0.9, 0.2, 0.2, 0.2, 0.2), **FIRST}, {}),
    "C30": ({"steps": around(0.3), "operands": around(0.1)}, {}),
    "C31": ({"change": np.zeros(QUESTIONS)}, {}),
    "C34": ({"ahead": around(0.2, 0.3)}, {}),
}
OPPOSITE: dict[str, Planted] = {
    "C1": ({"step 1": around(*ELSEWHERE), "step 2": around(*ELSEWHERE)}, {}),
    "C3": ({"change": -coins(0.4)}, {}),
    "C4": ({"tuned": around(0), "plain": around(0.5)}, {}),
    "C5": ({"ahead": around(*[0.2] * 9, -0.2)}, {}),
    "C6": ({"peaks": around(-0.4)}, {}),
    "C7": ({"text": around(0.5), "latent": around(0.2)}, {}),
    "C8": ({"tuned": around(1), "plain": around(2)}, {}),
    "C9": ({"trend": around(-0.1), "odd": around(0.2)}, {}),
    "C12": ({"named": around(-0.1)}, NEVER),
    "C13": ({}, {"verdict": "reversed", "why": "Most cells are beyond."}),
    "C14": ({"h": around(-0.4), "kv": around(0)}, {"rank": 1}),
    "C15": ({"beyond": around(0.3), "change": around(0.3)}, {}),
    "C16": ({"accuracy_bundled": around(0.1), "accuracy_wordings": around(-0.2), "diversity": around(0.2)}, SEEDS),
    "C18": ({"change": around(0, -0.6)}, FAMILIES),
    "C22": ({"locality": around(0.6), "span": around(1.5)}, NULLS),
    "C24": ({"own": around(0.3), "twin": around(-0.1)}, {}),
    "C26": ({"bundled": around(-0.3), "wordings": around(0)}, SEEDS),
    "C27": ({"change": around(-0.9, -0.9)}, {"patches": ["z", "kv"], "donor_z": 0.9, "donor_kv": 0.9}),
    "C28": ({"flips": coins(0.5)}, {}),
    "C29": ({"right": steps_lost(0.9, 0.75, 0.6, 0.45, 0.3, 0.2, 0.1), **FIRST}, {}),
    "C30": ({"steps": around(-0.3), "operands": around(0.1)}, {}),
    "C31": ({"change": coins(0.4)}, {}),
    "C34": ({"ahead": around(0.2, -0.3)}, {}),
}
