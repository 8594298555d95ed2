"""One question under a few conditions, with residuals: what the steering page shows of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from codi_core.engine.answers import parse_number
from codi_core.engine.engine import TOP_ANSWERS, Engine
from codi_core.engine.steps import nothing
from codi_core.evaluation.prepared import PreparedSet, plan_of
from codi_core.evaluation.rolled import Plan
from codi_core.evaluation.speculative import verify_draft
from codi_core.steering.conditions import Condition
from codi_core.steering.context import Directions
from codi_core.steering.edits import Edit
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled
from codi_core.values.model import RolloutConfig, TopToken
from codi_core.values.questions import Question


@dataclass(frozen=True, eq=False)
class Trace:
    answer: str
    number: float | None
    finished: bool
    top_answers: tuple[TopToken, ...]
    """Alternatives for the first answer token, most likely first."""
    p_gold: float
    """NaN-free, but meaningless when the gold answer is unknown."""
    margin: float
    resid: Floats
    """``[index depth d_model]``"""

    def identical(self, other: Trace) -> bool:
        """Bit for bit."""
        same = (self.answer, self.p_gold, self.margin, self.top_answers) == (other.answer, other.p_gold, other.margin, other.top_answers)
        return same and np.array_equal(self.resid, other.resid)


class Probe:
    """A prepared set of one question. For one thread."""

    def __init__(self, engine: Engine, question: Question, config: RolloutConfig) -> None:
        self._engine, self._set = engine, PreparedSet(engine, [question], config)
        self._unsteered: dict[Plan, list[Trace]] = {}
        self._resid: Tensor | None = None

    def traces(
        self, conditions: Sequence[Condition], directions: Directions | None = None, check_cancelled: CheckCancelled = nothing
    ) -> tuple[list[Trace], list[Trace]]:
        """Unsteered and steered, one a condition; the unsteered ones are computed in the same shapes: nothing but the edits differs.

        The conditions run the same number of passes. Raises InterventionError naming the coefficient when the logits are not numbers.
        """
        plan = plan_of(conditions)
        with self._engine.exclusively():
            if plan not in self._unsteered:
                self._unsteered[plan] = self._run([()] * plan.conditions, plan, ["coefficient 0"] * plan.conditions, check_cancelled)
            edits = self._set.edits_of(0, conditions, directions, check_cancelled)
            return self._unsteered[plan], self._run(edits, plan, [condition.doses for condition in conditions], check_cancelled)

    def _run(self, edits: Sequence[Sequence[Edit]], plan: Plan, names: Sequence[str], check_cancelled: CheckCancelled) -> list[Trace]:
        cache, latents = self._set.think_on(0, edits, plan, check_cancelled, record=True)
        slots = cache.length
        logits = self._engine.decode(cache, 1, check_cancelled).first_logits.float()
        cache.length = slots
        answered = verify_draft(self._engine, cache, *self._set.expected(0, plan.passes, check_cancelled), names, check_cancelled)
        probs, ids = logits.softmax(-1).topk(min(TOP_ANSWERS, logits.shape[-1]))
        model, traces = self._engine.model, []
        for row, one in enumerate(answered):
            text = model.decode(list(one.answers[0].ids))
            anew = latents.resid[row] if latents is not None and latents.resid is not None else None
            top = zip(ids[row].tolist(), probs[row].tolist(), strict=True)
            traces.append(
                Trace(
                    answer=text,
                    number=parse_number(text),
                    finished=one.answers[0].finished,
                    top_answers=tuple(TopToken(token, model.token_text(token), prob) for token, prob in top),
                    p_gold=float(one.p_gold[0]),
                    margin=float(one.margin[0]),
                    resid=self._residuals(anew, plan, check_cancelled),
                )
            )
        return traces

    def _residuals(self, anew: Tensor | None, plan: Plan, check_cancelled: CheckCancelled) -> Floats:
        """Those of the passes that ran anew, after the unsteered ones of the passes before."""
        if self._resid is None:
            passes = self._set.config.passes
            _, latents = self._set.think_on(0, [()], Plan(0, 0, passes, 1), check_cancelled, record=True)
            assert latents is not None and latents.resid is not None
            self._resid = latents.resid[0]
        kept = self._resid[: plan.first]
        resid: Floats = (kept if anew is None else torch.cat([kept, anew])).float().cpu().numpy()
        return resid
