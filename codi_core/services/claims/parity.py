"""C14: the first component of h is eot; odd and even latents lie apart in h, not in the KV cache."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from codi_core.engine.engine import Engine
from codi_core.problems.clusters import clusters_of, first_half
from codi_core.services.claims.asked import ANSWERED, Asked, Measured
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above, fact
from codi_core.services.claims.sources import SPRINT_4
from codi_core.services.geometry import latents_of
from codi_core.services.shared.directions import means_spec
from codi_core.services.shared.requests import MeansRequest
from codi_core.steering.components import principal_components
from codi_core.steering.means import samples_of
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled

LATENTS = 6
ODD = (0, 2, 4)
"""Latents 1, 3 and 5, counted from 0."""


def measure(asked: Asked) -> Measured:
    asked.has_latents(LATENTS)
    request = MeansRequest(asked.means.eval_set, ANSWERED)
    questions = asked.questions(request.eval_set, request.n)

    def work(engine: Engine, check_cancelled: CheckCancelled) -> Measured:
        spec = means_spec(engine, request, asked.passes)
        samples = samples_of(engine, asked.bench.store, spec, questions, check_cancelled)
        h, k, v = (latents_of(samples, space, None)[:, 1 : LATENTS + 1] for space in ("h", "k", "v"))
        half = first_half(questions)
        _, (first,) = principal_components(h.reshape(-1, h.shape[-1]), 1)
        arrays = {"h": apart(h, half), "kv": apart(np.concatenate([k, v], -1), half)}
        return Measured(arrays, clusters_of(questions), {"rank": _rank(engine, first)})

    return asked.run(work)


def _rank(engine: Engine, direction: npt.NDArray[np.float64]) -> int:
    """Of eot among the tokens that the direction speaks for; it has no sign, so the better of the two counts."""
    model = engine.model
    with torch.inference_mode():
        rows = model.output_rows(torch.arange(model.vocab_size, device=model.device))
        logits = (rows @ torch.from_numpy(direction).to(rows)).cpu().numpy()
    return int(min((side * logits > side * logits[model.ids.eot]).sum() for side in (1, -1))) + 1


def apart(latents: Floats, half: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """``[question]``: share of its latents told odd from even by the nearer centre on the first two components, minus that of all other
    ways to halve six latents. Centres come from the other half of the questions."""
    rows = latents.reshape(-1, latents.shape[-1])
    _, directions = principal_components(rows, 2)
    scores = (latents - rows.mean(0)) @ directions.T
    halves = [chosen for chosen in combinations(range(LATENTS), LATENTS // 2) if 0 in chosen]
    right = {chosen: _told(scores, chosen, half) for chosen in halves}
    found: npt.NDArray[Any] = right[ODD] - np.mean([right[chosen] for chosen in halves if chosen != ODD], 0)
    return found


def _told(scores: npt.NDArray[Any], chosen: tuple[int, ...], half: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    inside = np.isin(np.arange(LATENTS), chosen)
    told = np.zeros(len(scores))
    for part in (half, ~half):
        centres = [scores[~part][:, side].mean((0, 1)) for side in (inside, ~inside)]
        near = [np.square(scores[part] - centre).sum(-1) for centre in centres]
        told[part] = ((near[0] < near[1]) == inside).mean(1)
    return told


def parts(found: Evidence) -> list[Part]:
    rank = int(found.facts["rank"])
    h, kv = found.arrays["h"], found.arrays["kv"]
    return [
        above("odd and even told apart in h, minus other halvings", h, found.clusters),
        above("the same, h minus KV cache", h - kv, found.clusters),
        fact("rank of eot along the first component of h", rank == 1, f"{rank:,}", "rank 1"),
    ]


CLAIM = FieldClaim(
    key="C14",
    sentence="The first component of h is eot; odd and even latents lie apart in h, not in the KV cache",
    source=SPRINT_4,
    eval_set="means",
    statistic="Share of latents told odd from even by the nearer centre on the first two components (centres from the other half of the "
    "questions), minus the other nine ways to halve six latents; the same in h minus in keys and values; rank of eot in the component "
    "unembedded.",
    reproduced="Both above 0, and rank 1.",
    reversed="The first lies below 0.",
    page="geometry",
    fields={"latents": "h"},
    measure=measure,
    parts=parts,
)
