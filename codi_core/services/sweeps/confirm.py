"""The winners of a sweep, to be tested once on other questions."""

from __future__ import annotations

from codi_core.errors import InputError, ModelError
from codi_core.services.shared.requests import SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.stored import read_sweep, stored_sweeps
from codi_core.sweeps.spec import CellId
from codi_core.values.sweep import SweepTable

SIGNIFICANT = 0.05


WINNERS = 3
"""Cells taken to be confirmed when none is significant."""


def winners(table: SweepTable) -> tuple[tuple[CellId, ...], str]:
    """The cells that raise accuracy most, to be tested once on other questions; and how they were chosen, in words."""
    cells = table.cells[table.cells["role"] == "cell"].sort_values("delta", ascending=False, kind="stable")
    better = cells[(cells["p_max"] < SIGNIFICANT) & (cells["delta"] > 0)]
    rows, words = (better, f"the {len(better):,} cells that raise accuracy with p_max < {SIGNIFICANT:g}")
    if better.empty:
        rows = cells.head(WINNERS)
        words = f"no cell raises accuracy with p_max < {SIGNIFICANT:g}; the {len(rows)} best anyway"
    columns = zip(rows["variant"], rows["a"], rows["b"], rows["index"], rows["coefficient"], strict=True)
    return tuple((str(variant), int(a), int(b), int(index), float(c)) for variant, a, b, index, c in columns), words


def confirm_request(
    workbench: Workbench, key: str | None, eval_set: str = "confirm", n: int = 0, seed: int = 0, randoms: int = 8, shuffled: int = 2
) -> tuple[SweepRequest, str]:
    """What tests the winners of a stored sweep on other questions, and how they were chosen. No ``key``: the newest sweep on the split
    ``select`` of the model of the settings.

    Raises InputError when there is no such sweep or it was made on the same questions, ModelError when it was made with another checkpoint,
    ArtifactError when it cannot be read.
    """
    model, store = workbench.settings.model, workbench.store
    installed = workbench.run(model, lambda engine, _: engine.model.spec.key, "confirm")
    if key is None:
        selected = [table.key for table in stored_sweeps(store) if (table.eval_set.name, table.model_key) == ("select", installed)]
        if not selected:
            raise InputError(f"No sweep of {model} on select is stored: run `sweep --model {model} --preset … --eval-set select` first.")
        key = selected[0]
    table = read_sweep(store, key)
    if table.model_key != installed:
        raise ModelError(f"Sweep {key} was made with the checkpoint {table.model_key}; '{model}' is {installed} now: sweep again.")
    if table.eval_set.name == eval_set:
        raise InputError(f"The sweep was made on {eval_set}, too: what was chosen there cannot be confirmed there. Name another eval set.")
    chosen, words = winners(table)
    request = SweepRequest(
        model=model,
        preset=table.name,
        eval_set=eval_set,
        n=n,
        seed=seed,
        passes=table.rollout.passes,
        randoms=randoms,
        shuffled=shuffled,
        means_n=table.means.eval_set.n,
        only=chosen,
    )
    return request, f"{words}, of sweep {key} on {table.eval_set.name}"
