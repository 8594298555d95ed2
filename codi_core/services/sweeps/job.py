"""A sweep's request with everything looked up that it names."""

from __future__ import annotations

from dataclasses import dataclass

from codi_core.engine.engine import Engine
from codi_core.errors import InputError
from codi_core.problems.clusters import check_disjoint
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.effects import MAX_CONTROLS
from codi_core.services.shared.directions import directions_of, means_spec
from codi_core.services.shared.requests import MeansRequest, SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.sweeps.presets import Pair, sweep_preset
from codi_core.sweeps.spec import Axes, SweepSpec
from codi_core.sweeps.units import Part, Unit, compute_unit
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import Question
from codi_core.values.vectors import MeansSpec


@dataclass(frozen=True)
class Job:
    """A request with everything looked up that it names."""

    workbench: Workbench
    request: SweepRequest
    viewer: str
    on_wait: OnWait | None
    questions: tuple[Question, ...]
    spec: SweepSpec

    def compute(self, unit: Unit) -> Part:
        """Raises as `compute_unit`, and Cancelled when the viewer asked for something newer."""

        def work(engine: Engine, check_cancelled: CheckCancelled) -> Part:
            directions = directions_of(self.workbench, engine, means_request(self.spec.means), self.spec.means.passes, check_cancelled)
            prepared = self.workbench.prepared_set(engine, self.spec.eval_set, self.questions, self.spec.rollout)
            return compute_unit(prepared, directions, self.spec, unit, check_cancelled)

        return self.workbench.run(self.request.model, work, self.viewer, self.on_wait)


def resolve(workbench: Workbench, request: SweepRequest, viewer: str = "sweep", on_wait: OnWait | None = None) -> Job:
    """Raises InputError for an unknown preset, InterventionError for a grid the model has no place for, DataError, ModelError."""
    preset = sweep_preset(request.preset)
    for name, count in (("random directions", request.randoms), ("shuffled steps", request.shuffled)):
        if not 0 <= count <= MAX_CONTROLS:
            raise InputError(f"{count} {name}: choose 0 to {MAX_CONTROLS}.")
    eval_set, questions = load_eval_set(request.eval_set, request.n, request.seed)

    def work(engine: Engine, check_cancelled: CheckCancelled) -> tuple[SweepSpec, MeansRequest]:
        name, n, only = preset.means(engine.model.is_ours)
        means = MeansRequest(name, n if request.means_n is None else request.means_n, 0, only)
        pairs = preset.pairs(request.passes)
        if not pairs:
            raise InputError(f"With {request.passes} passes there is no pair to steer along: choose 2 or more, or another preset.")
        axes = _axes(request, preset.variants(engine.model.n_layers), pairs)
        rollout, source = RolloutConfig(request.passes), means_spec(engine, means, request.passes)
        spec = SweepSpec(request.preset, engine.model.spec, eval_set, rollout, source, preset.overlap, axes)
        for cell in spec.cells():
            for method in cell.condition.interventions:
                method.check(engine.model, request.passes)
        return spec, means

    spec, means = workbench.run(request.model, work, viewer, on_wait)
    if not spec.overlap:
        check_disjoint(load_eval_set(means.eval_set, means.n, means.seed)[1], questions)
    return Job(workbench, request, viewer, on_wait, questions, spec)


def _axes(request: SweepRequest, variants: tuple[str, ...], pairs: tuple[Pair, ...]) -> Axes:
    """The preset's grid, exactly the cells asked for with their bands, or bands alone."""
    preset = sweep_preset(request.preset)
    bands = (request.only or request.bands) if request.randoms + request.shuffled else ()
    counts = (request.randoms, request.shuffled) if bands else (0, 0)
    if request.bands:
        return Axes((), (), (), (), (), bands, *counts)
    chosen = tuple(dict.fromkeys(one[0] for one in request.only)) or variants
    return Axes(chosen, pairs, preset.indices(request.passes), preset.coefficients, request.only, bands, *counts)


def means_request(means: MeansSpec) -> MeansRequest:
    """What asks for these means; those of a file are found only where it lies."""
    return MeansRequest(means.eval_set.name, means.eval_set.n, means.eval_set.seed, means.only)
