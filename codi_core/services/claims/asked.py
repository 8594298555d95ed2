"""What a claim may ask of a model: readings, answers and masses, from what is stored or computed now, question by question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from codi_core.engine.engine import Engine
from codi_core.evaluation.detection import value_above_chance
from codi_core.problems.clusters import clusters_of
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.detect import DetectRequest, detect
from codi_core.services.effects import run_together
from codi_core.services.evaluate import EvalReport, EvalRequest, evaluate
from codi_core.services.influence_sets import ARRAYS, InfluenceSetRequest, influence_set
from codi_core.services.influence_sets import KIND as INFLUENCES
from codi_core.services.shared.requests import ConditionRequest, MeansRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.twins import control_of
from codi_core.steering.methods import Method
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.evals import Mode, ScoredRun
from codi_core.values.lens import LensReadings
from codi_core.values.questions import Question
from codi_core.values.stats import Clusters

Value = TypeVar("Value")
OWN = {"gsm8k": "bundled"}
"""Our word problems in place of sets that a model of ours never learnt."""
OTHERS = {"bundled": "gsm8k", "wordings": "gsm8k", "select": "gsm8k"}
"""And the other way round."""
READ, ANSWERED, EVALUATED, INFLUENCED = 512, 300, 1_000, 64
"""Questions of a set: read through a lens, answered under interventions, answered as they are, and looked at edge by edge."""
TOP = 10
"""A value among so many of the likeliest tokens counts as read."""


class Untestable(Exception):
    """Why a claim cannot be tested on this model, whatever is measured."""


@dataclass(frozen=True, eq=False)
class Measured:
    arrays: Mapping[str, npt.NDArray[Any]]
    """``[question …]``; NaN where a question says nothing."""
    clusters: Clusters
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A model, and the eval set that the claim is about."""

    bench: Workbench
    model: str
    ours: bool
    """Whether it learnt our word problems."""
    eval_set: str
    passes: int
    viewer: str
    on_wait: OnWait | None = None
    beside: str = ""
    """The model it is compared with."""

    def set_of(self, name: str) -> str:
        """The set of a source, or the nearest that this model learnt."""
        return (OWN if self.ours else OTHERS).get(name, name)

    @property
    def means(self) -> MeansRequest:
        return MeansRequest() if self.ours else MeansRequest("gsm8k-aug-500")

    def has_latents(self, last: int) -> None:
        """Raises Untestable for a claim about a latent that there is not."""
        if self.passes < last:
            raise Untestable(f"The claim is about latent {last}; this model was trained with {self.passes}.")

    def control(self) -> str:
        """Raises InputError when there is no pause twin beside the model."""
        return control_of(self.bench, self.model)

    def questions(self, eval_set: str, n: int) -> tuple[Question, ...]:
        return load_eval_set(eval_set, n)[1]

    def run(self, work: Callable[[Engine, CheckCancelled], Value], model: str = "") -> Value:
        return self.bench.run(model or self.model, work, self.viewer, self.on_wait)

    # Lenses

    def readings(self, lens: str = "logit", eval_set: str = "", model: str = "") -> LensReadings:
        request = DetectRequest(model or self.model, eval_set or self.eval_set, self.at_most(READ, eval_set), 0, lens, self.passes)
        found: LensReadings = _last(detect(self.bench, request, self.viewer, self.on_wait))
        return found

    def at_most(self, n: int, eval_set: str = "") -> int:
        """0, all, of a set of others that may be smaller."""
        return n if self.ours else min(n, len(load_eval_set(eval_set or self.eval_set)[1]))

    # Answers

    def answers(
        self, conditions: Sequence[tuple[Method, ...]], n: int = ANSWERED, eval_set: str = ""
    ) -> tuple[ScoredRun, list[ScoredRun], tuple[Question, ...]]:
        """Unsteered, and under every condition."""
        name = eval_set or self.eval_set
        wanted = [
            ConditionRequest(self.model, each, name, self.at_most(n, name), means=self.means, passes=self.passes) for each in conditions
        ]
        found = _last(run_together(self.bench, wanted, self.viewer, self.on_wait))
        return found.pairs[0][0], [found.pairs[place][1] for place in range(len(wanted))], found.questions

    def evaluated(
        self, eval_set: str = "", passes: int | None = None, mode: Mode = "latent", model: str = "", swap: bool = False
    ) -> EvalReport:
        name = eval_set or self.eval_set
        count = self.passes if passes is None else passes
        request = EvalRequest(model or self.model, name, self.at_most(EVALUATED, name), passes=count, mode=mode, swap_donor=swap)
        return evaluate(self.bench, request, None, self.viewer, self.on_wait)

    # Influence

    def influences(self) -> tuple[dict[str, Floats], tuple[Question, ...]]:
        """What `influence_set` stores, and the questions in its order."""
        request = InfluenceSetRequest(self.model, self.eval_set, INFLUENCED, passes=self.passes)
        found = _last(influence_set(self.bench, request, self.viewer, self.on_wait))
        by_id = {question.id: question for question in self.questions(self.eval_set, INFLUENCED)}
        return self.bench.store.read(INFLUENCES, found.spec.key).npz(ARRAYS), tuple(by_id[name] for name in found.ids)


def above_chance(readings: LensReadings, target: str) -> Floats:
    """Whether the value is among the first k, minus how often values of other questions are: ``[question k index depth]`` of all questions,
    NaN where it is no single token."""
    rows, found = value_above_chance(readings, target)
    return spread(len(readings.questions), rows, found)


def known_mean(each: Sequence[Floats]) -> Floats:
    """Mean of several arrays, of those that say something at each place; NaN where none does."""
    stacked = np.stack(each)
    count = (~np.isnan(stacked)).sum(0)
    mean: Floats = np.divide(np.nansum(stacked, 0), count, out=np.full(count.shape, np.nan), where=count > 0)
    return mean


def spread(n: int, rows: Any, values: Any) -> Floats:
    """``[row …]`` at the places of these rows among ``n`` questions, NaN elsewhere."""
    out = np.full((n, *values.shape[1:]), np.nan, np.float32)
    out[rows] = values
    return out


def joined(*parts: tuple[Mapping[str, npt.NDArray[Any]], Sequence[Question]], facts: Mapping[str, Any] | None = None) -> Measured:
    """Arrays of several sets of questions as one: each is NaN where the questions are another's."""
    total, first = sum(len(questions) for _, questions in parts), 0
    arrays: dict[str, Floats] = {}
    for own, questions in parts:
        rows = np.arange(first, first + len(questions))
        arrays |= {name: spread(total, rows, np.asarray(values)) for name, values in own.items()}
        first += len(questions)
    return Measured(arrays, clusters_of([question for _, questions in parts for question in questions]), facts or {})


def _last(found: Any) -> Any:
    """What a service yields when it is complete."""
    return list(found)[-1]
