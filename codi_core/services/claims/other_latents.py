"""C27: another question's latents do no harm."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from codi_core.keys import key_of
from codi_core.problems.clusters import clusters_of
from codi_core.services.claims.asked import Asked, Measured
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, within
from codi_core.services.claims.sources import DISSECTION
from codi_core.services.evaluate import ROWS, SWAPS, SwapSpec


def measure(asked: Asked) -> Measured:
    report = asked.evaluated(swap=True)
    rows = {row.id: row for row in report.run.rows}
    changes: list[npt.NDArray[Any]] = []
    facts: dict[str, float | list[str]] = {"patches": [swap.patch for swap in report.swaps]}
    ids: list[str] = []
    for swap in report.swaps:
        swapped = asked.bench.store.read(SWAPS, key_of(SwapSpec(report.spec, swap.patch))).parquet(ROWS)
        changes.append((swapped["answered"] == swapped["own"]).to_numpy(float) - 1)
        facts[f"donor_{swap.patch}"], ids = swap.donor.value, swapped["id"].tolist()
    return Measured({"change": np.stack(changes, 1)}, clusters_of([rows[name] for name in ids]), facts)


def parts(found: Evidence) -> list[Part]:
    names = {"z": "z", "kv": "cache slots"}
    labels = tuple(f"{names[patch]}: {found.facts[f'donor_{patch}']:.0%} follow the donor" for patch in found.facts["patches"])
    return [within("share of own answers with another question's latents minus as it is", found.arrays["change"], found.clusters, labels)]


CLAIM = FieldClaim(
    key="C27",
    sentence="Another question's latents do no harm",
    source=DISSECTION,
    eval_set="bundled",
    statistic="Share of questions still answered as they were with the latents of a question that is answered otherwise, minus 1; by what "
    "is fed back (z) and by the cache slots.",
    reproduced="Both intervals lie within ±5 points.",
    reversed="One lies wholly outside.",
    page="patch",
    fields={"what": "suffix", "taken": (1, 1)},
    measure=measure,
    parts=parts,
)
