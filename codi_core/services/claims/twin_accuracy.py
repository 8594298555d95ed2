"""C26: a pause twin is as accurate."""

from __future__ import annotations

import numpy as np

from codi_core.services.claims.asked import Asked, Measured, joined
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, seeds, within
from codi_core.services.claims.sources import DISSECTION


def measure(asked: Asked) -> Measured:
    names = ("bundled", "wordings") if asked.ours else ("gsm8k",)
    parts = []
    for name in names:
        own, twin = (asked.evaluated(name, model=model).run for model in (asked.model, asked.beside))
        parts.append(({name: twin.correct.astype(float) - own.correct}, asked.questions(name, len(own.rows))))
    return joined(*parts, facts={"seeds": 1})


def parts(found: Evidence) -> list[Part]:
    change = np.stack(list(found.arrays.values()), 1)
    return [within("accuracy, pause twin minus the model", change, found.clusters, tuple(found.arrays)), seeds(found.facts["seeds"])]


CLAIM = FieldClaim(
    key="C26",
    sentence="A pause twin is as accurate",
    source=DISSECTION,
    eval_set="bundled",
    statistic="Accuracy of the pause twin minus that of the model, on `bundled` and on `wordings`.",
    reproduced="Both intervals lie within ±5 points, over at least three seeds of training.",
    reversed="One lies wholly outside, p times 2 < .05, over at least three seeds.",
    page="model",
    fields={"twin": True},
    measure=measure,
    parts=parts,
    beside=Asked.control,
    needs="a pause twin beside the model (python -m codi_core train --preset {model}-pause)",
)
