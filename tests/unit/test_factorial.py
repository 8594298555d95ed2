"""The matched factorial, and what was selected on one split and tested on another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codi_core.services.sweeps.claims import HELPFUL
from codi_core.services.sweeps.factorial import confirmations, factorial
from codi_core.values.questions import EvalSetSpec
from codi_core.values.sweep import SweepTable
from tests import sweep_tables
from tests.planted_claims import evidence
from tests.sweep_tables import Change, nothing

WAYS = {"indices": (5,), "coefficients": tuple(HELPFUL)}
CELLS = (("kv-as-in-the-post", 2, 4, 5, 0.5), ("kv-as-in-the-post", 1, 2, 5, 0.5))


def test_the_factorial_compares_with_the_experiment_of_the_posts() -> None:
    own = evidence("factorial", lambda cell: 0.1 * cell.variant.startswith("kv-stop"), **WAYS)
    found = {factor.variant: factor for factor in factorial(own)}
    assert found["kv-stop"].apart == found["kv-stop"].apart_low == found["kv-stop"].apart_high == 0
    assert found["kv-stop"].is_reference and not found["kv-stop"].clear
    assert found["kv-stop"].effect == pytest.approx(0.1, abs=0.03)
    assert found["kv-continue"].apart == pytest.approx(-0.1, abs=0.03)
    assert found["kv-continue"].apart_high < 0 and found["kv-continue"].clear
    assert (found["h-on-z-stop"].space, found["h-on-z-stop"].then) == ("h-on-z", "stop")
    assert found["kv-stop"].percentile != found["kv-stop"].percentile, "no bands"


def test_ways_that_do_the_same_are_not_clearly_different() -> None:
    found = factorial(evidence("factorial", noise=1e-6, **WAYS))
    assert found and not any(factor.clear for factor in found)


def split(name: str, change: Change = nothing, base: float = 0.6, only: tuple = (), randoms: int = 8) -> SweepTable:
    axes = {"indices": (5,), "coefficients": (0.5,), "bands": only, "randoms": randoms, "shuffled": 2}
    table = sweep_tables.table(sweep_tables.spec("post-kv", **axes, only=only), change, base=base)
    return replace(table, eval_set=EvalSetSpec(name, 1000, 0, ""))


def verdicts(confirm: SweepTable, select: SweepTable | None) -> dict[tuple[int, int], tuple[str, str]]:
    found = confirmations([confirm] if select is None else [confirm, select])
    return {(each.row["a"], each.row["b"]): (each.verdict, each.why) for each in found}


def test_what_was_selected_is_found_again_where_it_is_confirmed() -> None:
    found = confirmations([split("confirm", lambda cell: 0.05 * (cell.a == 2), only=CELLS), split("select", lambda cell: 0.05)])
    by_pair = {(each.row["a"], each.row["b"]): each for each in found}
    assert by_pair[2, 4].verdict == "confirmed"
    assert by_pair[1, 2].verdict == "not confirmed"
    assert by_pair[1, 2].selected is not None
    assert by_pair[1, 2].selected["delta"] == pytest.approx(0.05, abs=0.03)
    assert confirmations([split("confirm", only=CELLS)])[0].selected is None


def test_nothing_selected_is_nothing_to_confirm() -> None:
    found = verdicts(split("confirm", lambda cell: 0.05, only=CELLS), split("select"))
    assert {verdict for verdict, _ in found.values()} == {"not testable"}
    assert all("nothing to confirm" in why for _, why in found.values())


def test_what_could_not_be_better_cannot_be_confirmed() -> None:
    found = verdicts(split("confirm", base=1.196, only=CELLS), split("select", lambda cell: 0.05))
    assert all(verdict == "not testable" and "wrong unsteered" in why for verdict, why in found.values())


def test_a_confirmed_cell_needs_a_band_of_its_own() -> None:
    found = verdicts(split("confirm", lambda cell: 0.05, only=CELLS, randoms=4), split("select", lambda cell: 0.05))
    assert all(verdict == "not testable" and "band" in why for verdict, why in found.values())
