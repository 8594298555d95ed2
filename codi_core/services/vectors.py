"""The vector itself: how long it is, how stable, and which coefficients make sense."""

from __future__ import annotations

from dataclasses import dataclass

from codi_core.engine.engine import Engine
from codi_core.services.shared.directions import collect_in_turns, directions_of
from codi_core.services.shared.requests import DoseRequest, VectorRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.steering.limits import check_depth
from codi_core.steering.vectors import norm_matrix, site_norms
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.model import ModelSpec
from codi_core.values.vectors import DifferenceVector, MeansSpec

FULL_DOSE = 1.0
"""‖αv‖ / ‖site‖ at the end of the suggested range: a push as long as what is there."""


@dataclass(frozen=True, eq=False)
class VectorInfo:
    """What a person should know before pushing along a vector."""

    request: VectorRequest
    model: ModelSpec
    means: MeansSpec
    vector: DifferenceVector
    matrix: Floats
    """``[A B]``: length of every difference of two means; for kv ``[2 A B]``, keys first."""
    site_norms: tuple[tuple[float, ...], ...]
    """Mean length of what stands at each index: one number, for kv keys and values. The dose is ‖αv‖ over this."""
    full_dose: tuple[float, ...]
    """By index: the coefficient at which the push is as long as what stands there (for kv the smaller of the two)."""


def vector_info(workbench: Workbench, request: VectorRequest, viewer: str, on_wait: OnWait | None = None) -> VectorInfo:
    """Raises InterventionError for a vector that does not exist, DataError, ModelError, Cancelled."""

    def work(engine: Engine, check_cancelled: CheckCancelled) -> VectorInfo:
        check_depth(request.where.layer, engine.model, request.where.space)
        directions = directions_of(workbench, engine, request.means, request.passes, check_cancelled)
        vector = directions.vector(request.source, request.where)
        sites = tuple(site_norms(directions.samples, request.where, index) for index in range(request.passes + 1))
        return VectorInfo(
            request=request,
            model=engine.model.spec,
            means=directions.samples.spec,
            vector=vector,
            matrix=norm_matrix(directions.means, request.where),
            site_norms=sites,
            full_dose=tuple(FULL_DOSE * min(s / n for s, n in zip(site, vector.norms, strict=True) if n > 0) for site in sites),
        )

    def check(engine: Engine) -> None:
        check_depth(request.where.layer, engine.model, request.where.space)

    collect_in_turns(workbench, request.model, request.means, request.passes, viewer, on_wait, check=check)
    return workbench.run(request.model, work, viewer, on_wait)


def doses(workbench: Workbench, request: DoseRequest, viewer: str, on_wait: OnWait | None = None) -> dict[int, dict[str, float]]:
    """By index of the method: how far it pushes, beside what stands there; by names in `steering.contract.DOSES`. Raises as `vector_info`,
    and InterventionError for what cannot be done.
    """

    def work(engine: Engine, check_cancelled: CheckCancelled) -> dict[int, dict[str, float]]:
        request.method.check(engine.model, request.passes)
        directions = directions_of(workbench, engine, request.means, request.passes, check_cancelled)
        return {index: request.method.doses(directions, index) for index in request.method.indices}

    def check(engine: Engine) -> None:
        request.method.check(engine.model, request.passes)

    collect_in_turns(workbench, request.model, request.means, request.passes, viewer, on_wait, check=check)
    return workbench.run(request.model, work, viewer, on_wait)
