"""Grids of conditions, and what the stored ones say about claims of the field and of the posts."""

from __future__ import annotations

from codi_core.api.measured import Claims, FieldClaims, Sweep
from codi_core.api.model import VIEWER, Model, workbench
from codi_core.api.progress import OnDone, shown
from codi_core.services.claims import verdicts
from codi_core.services.shared.requests import SweepRequest
from codi_core.services.sweeps.claims import stored_findings
from codi_core.services.sweeps.run import sweep as run
from codi_core.settings import Settings


def sweep(
    model: Model,
    preset: str,
    eval_set: str = "templates",
    n: int = 0,
    *,
    seed: int = 0,
    means_n: int | None = None,
    randoms: int = SweepRequest.randoms,
    shuffled: int = SweepRequest.shuffled,
    progress: OnDone = None,
) -> Sweep:
    """Every cell of a preset's grid (`SWEEPS`), stored unit by unit: interrupted, the same call goes on. Raises SweepError.

    ``means_n``: questions behind the means (None: as the preset says). ``randoms`` and ``shuffled``: directions of the bands that claimed
    and significant cells are ranked in, which take longer than the grid; 0 and 0: no bands.

    Examples:
        >>> import codi_core as codi
        >>> len(codi.sweep(codi.load("bundled-steps"), "post-kv", n=150).to_pandas()) > 700  # this one ships
        True
    """
    report = shown(progress, "units")
    request = SweepRequest(model.name, preset, eval_set, n, seed, model.passes, randoms, shuffled, means_n)
    return Sweep(run(model._bench, request, lambda tally: report(tally.done, tally.total), VIEWER))


def claims(model: Model | str, eval_set: str = "templates", setting: str = "") -> Claims | FieldClaims:
    """Every claim of the field with its verdict, from what is stored of a model (its name is enough: none is opened).

    ``setting``: with ``post``, as the posts did it, or ``corrected``, every claim of Sprint #3 instead, from the stored sweeps on
    ``eval_set``. What is not measured says which command does it.

    Examples:
        >>> import codi_core as codi
        >>> set(codi.claims("a-model-that-nobody-measured").to_pandas()["verdict"])  # no model is opened
        {'not measured'}
    """
    bench = model._bench if isinstance(model, Model) else workbench(Settings.from_env())
    name = model.name if isinstance(model, Model) else model
    if setting:
        return Claims(tuple(stored_findings(bench.store, name, eval_set, setting)))
    return FieldClaims(tuple(verdicts(bench.store, [name])[name]))
