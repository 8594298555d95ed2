"""What ships keeps the promises that screens and docs make about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.examples import detect_request, first_card, geometry_request, influence_request, patch_requests, patch_requests_beside
from codi_core.evaluation.stats import LEVEL
from codi_core.services.ablate import EarlyStopRequest, early_stop
from codi_core.services.claims import verdicts
from codi_core.services.detect import detection_contrast, stored_detection, value_hits
from codi_core.services.geometry import explained_contrast, geometry
from codi_core.services.influence_sets import influence_contrast, influence_set
from codi_core.services.lens_contrasts import lens_contrast
from codi_core.services.patch import PatchRequest, patch
from codi_core.services.patch_maps import patch_contrast, patch_map
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.claims import evidence, findings_of
from codi_core.services.sweeps.factorial import confirmations, factorial
from codi_core.services.sweeps.stored import stored_sweeps
from codi_core.services.twins import control_of
from codi_core.settings import Settings
from codi_core.store import Store
from codi_core.ui.ablate.link import Setup as AblateSetup
from codi_core.values.patching import WAYS
from codi_core.values.sweep import SweepTable
from codi_core.values.verdict import ENOUGH

ALPHA = 1 - LEVEL
TABLES = stored_sweeps(Store(Settings()))
MODELS = ("bundled", "bundled-steps")


def called(table: SweepTable) -> str:
    return f"{table.model_name} {table.name} on {table.eval_set.name}"


@pytest.mark.parametrize("table", TABLES, ids=called)
@pytest.mark.parametrize("suffix", ["", "_all"])
def test_interval_and_p_of_a_shipped_cell_never_contradict_each_other(table: SweepTable, suffix: str) -> None:
    cells = table.cells[table.cells["role"] == "cell"]
    low, high, p = (cells[f"{name}{suffix}"].to_numpy(float) for name in ("delta_low", "delta_high", "p"))
    unsure = np.abs(p - ALPHA) < 1e-6  # columns are float32
    assert (((low > 0) | (high < 0)) == (p < ALPHA))[~unsure].all()


@pytest.mark.parametrize("table", TABLES, ids=called)
def test_a_percentile_is_among_enough_directions_of_the_same_push(table: SweepTable) -> None:
    cells = table.cells[table.cells["role"] == "cell"]
    assert (cells["percentile"].notna() == (cells["band"] >= ENOUGH)).all()
    doses = [name for name in ("dose", "dose_k", "dose_v") if cells[name].notna().any()]
    site = ["variant", "a", "b", "index"]
    by_site = dict(list(table.bands.groupby([*site, table.bands["coefficient"].abs()])))
    for row in cells[cells["band"] > 0].to_dict("records"):
        band = by_site[(*(row[name] for name in site), abs(row["coefficient"]))]
        assert len(band) == row["band"]
        assert all(band[name].to_numpy(float) == pytest.approx(row[name], rel=1e-3) for name in doses)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("preset", ["post", "corrected"])
def test_no_claim_has_an_interval_that_contradicts_its_p(model: str, preset: str) -> None:
    tables = {(table.model_name, table.name): table for table in TABLES if table.eval_set.name == "templates"}
    found = {family: tables[model, f"{preset}-{family}"] for family in ("kv", "hidden")}
    store = Store(Settings())
    findings = findings_of({family: evidence(store, table) for family, table in found.items()}, model, "templates", preset)  # type: ignore[misc]
    assert findings
    for finding in findings:
        for test in finding.tests.values():
            if np.isfinite([test.low, test.high, test.p]).all() and abs(test.p - ALPHA) > 1e-6:
                assert (test.low > 0 or test.high < 0) == (test.p < ALPHA), finding.claim


@pytest.mark.parametrize("model", MODELS)
def test_what_is_said_of_factors_and_confirmations_is_in_their_numbers(model: str) -> None:
    tables = [table for table in TABLES if table.model_name == model]
    (crossed,) = (table for table in tables if table.name == "factorial")
    factors = factorial(evidence(Store(Settings()), crossed))
    assert len(factors) > 10 and any(factor.is_reference for factor in factors)
    for factor in factors:
        assert not factor.clear or factor.apart_low > 0 or factor.apart_high < 0
        assert np.isnan(factor.percentile) == bool(factor.unmeasured)
    for one in confirmations(tables):
        assert one.row["p_holm"] >= ALPHA or one.row["delta_low"] > 0 or one.row["delta_high"] < 0
        assert (one.percentile is None) == (one.row["band"] < ENOUGH)


@pytest.fixture
def bench(settings: Settings) -> Iterator[Workbench]:
    bench = Workbench(settings)
    yield bench
    bench.close()


@pytest.mark.parametrize("model", MODELS)
def test_influence_opens_with_its_eval_set(bench: Workbench, model: str) -> None:
    (found,) = influence_set(bench, influence_request(model), "me", compute=False)
    assert found.done and found.summaries.value.shape == (3, 4)


@pytest.mark.parametrize("model", MODELS)
def test_patch_opens_with_its_maps(bench: Workbench, model: str) -> None:
    """Made by the same command. What shipped is what the code computes: one index of one pair anew."""
    stored = [list(patch_map(bench, request, "me", compute=False)) for request in patch_requests(model)]
    assert [len(found) for found in stored] == [1] * len(stored)
    pair = next(found[0] for found in stored if found[0].spec.prompts)
    own = patch(bench, PatchRequest(model, *pair.spec.prompts, "4.6"), "me")
    assert own.effect.recovery == pytest.approx(float(pair.recovery.value[4, 6]), abs=1e-3)


@pytest.mark.parametrize("model", MODELS)
def test_detect_and_ablate_open_with_a_result(bench: Workbench, model: str) -> None:
    """Made by `python -m benchmarks.examples`: what the pages ask for when their address says nothing."""
    needed = AblateSetup()
    found = stored_detection(bench, detect_request(model), "me")
    assert found is not None and found.complete
    request = EarlyStopRequest(model, needed.eval_set, needed.n)
    assert [curve.done for curve in early_stop(bench, request, "me", compute=False)] == [request.passes + 1]


@pytest.mark.parametrize("model", MODELS)
def test_what_is_shown_beside_the_control_is_told_without_computing(bench: Workbench, model: str) -> None:
    twin = control_of(bench, model)
    readings = [stored_detection(bench, detect_request(name), "me") for name in (model, twin)]
    assert readings[0] is not None and readings[1] is not None
    assert detection_contrast(*readings, partial(value_hits, target="answer"), 10).difference.n > 100  # type: ignore[arg-type]
    seen = [next(influence_set(bench, influence_request(name), "me", compute=False)) for name in (model, twin)]
    assert influence_contrast(bench, influence_request(model), seen[0].spec, seen[1].spec).to_answer.difference.n == 64
    latents = [geometry(bench, geometry_request(name), "me") for name in (model, twin)]
    assert explained_contrast(*latents).difference.n == 500
    asked = patch_requests_beside(model, twin)
    assert {(request.way, request.single) for request in asked} == {(way, single) for way in WAYS for single in (False, True)}
    for request in asked:
        own, control = (next(patch_map(bench, each, "me", compute=False)) for each in (replace(request, model=model, pairs_of=""), request))
        assert request.single or patch_contrast(bench, own.spec, control.spec).difference.n > 0
    lens_contrast(bench, model, twin, first_card(bench, model), "me")
    assert not list(bench.settings.cache_dir.rglob("meta.json")), "nothing had to be made"


@pytest.mark.parametrize("model", MODELS)
def test_the_claims_of_the_field_are_measured_but_for_those_beside_a_twin(model: str) -> None:
    found = {verdict.claim.key: verdict for verdict in verdicts(Store(Settings()), [model])[model]}
    assert {key for key, verdict in found.items() if verdict.ruling == "not measured"} <= {"C24", "C26"}
    assert found["C9"].ruling == "not testable" and "no token" in found["C9"].why
    assert found["C27"].ruling == "reversed", "answers follow the donor"
    for verdict in found.values():
        for part in verdict.parts:
            assert part.said or (part.low <= part.value <= part.high and part.n > 1)
