"""Patching between prompts: identities, the cone, planted structure, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from codi_core.engine.engine import Engine
from codi_core.errors import InputError, InterventionError
from codi_core.evaluation.patching import Pair, PairSet, cells_of, random_alike, recovery
from codi_core.evaluation.rolled import Plan
from codi_core.evaluation.sequences import listen
from codi_core.services.patch import PatchRequest, patch
from codi_core.services.patch_maps import PatchMapRequest, patch_map
from codi_core.services.shared.workbench import Workbench
from codi_core.steering.edits import Edit
from codi_core.values.model import RolloutConfig
from codi_core.values.patching import Patch, place_of
from codi_core.values.reach import reach
from tests.checkpoints import load, tensors_of, write

CONFIG = RolloutConfig(passes=3, max_new_tokens=4)
PAIRS = [
    Pair("a", "Tom has 3 apples and buys 4 more.", "Tom has 8 apples and buys 9 more."),
    Pair("b", "A team of 20 people works 3 days.", "A team of 70 people works 5 days."),
    Pair("longer", "Half of them left. A crate holds 40 eggs, how many are in 3?", "A crate holds 20 eggs, how many are in 5?"),
]
PLACES = ["0.1", "1.0", "2.1", "3.3", "1", "0-3", "kv0", "kv2", "kv1-3"]


def same(place: str) -> Patch:
    return Patch(place_of(place, CONFIG.passes), place_of(place, CONFIG.passes))


@pytest.fixture(scope="module")
def pair_sets(engines: dict[str, Engine]) -> dict[str, PairSet]:
    return {family: PairSet(engine, PAIRS, CONFIG) for family, engine in engines.items()}


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_a_prompt_patched_with_its_own_cells_stays_as_it_was_bit_for_bit(engines: dict[str, Engine], family: str) -> None:
    own = PairSet(engines[family], [Pair(pair.name, pair.target, pair.target) for pair in PAIRS], CONFIG)
    groups = [cells_of(index, 3) for index in range(4)] + [[same(place)] for place in ("1", "kv0", "kv2")]
    for patches in groups:
        before, after = own.patched(patches)
        assert np.array_equal(before.log_p, after.log_p) and before.answers == after.answers, patches


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_nothing_changes_outside_the_cone_and_something_inside(pair_sets: dict[str, PairSet], family: str) -> None:
    pairs = pair_sets[family]
    for number, batch in enumerate(pairs._rolled):
        for place in ("0.2", "1.0", "2.1", "3.2", "kv1"):
            wanted = same(place)
            plan = Plan(0, 0, CONFIG.passes, 1)
            runs = [batch.target.think_on(edits, plan, record=True) for edits in ([()], pairs.edits(batch, [wanted], None))]
            moved = (runs[0][1].resid != runs[1][1].resid).any(-1).any(0).numpy()  # type: ignore[union-attr]
            space, depth = ("kv", None) if wanted.target.slot else ("resid", wanted.target.depth)
            assert np.array_equal(moved, reach((4, 4), space, wanted.target.indices, depth).cells), (number, place)


def test_the_last_residual_of_the_last_pass_changes_no_answer(pair_sets: dict[str, PairSet]) -> None:
    before, after = pair_sets["llama"].patched(cells_of(3, 3))
    assert np.array_equal(after.log_p[3], before.log_p[3]), "nothing reads the residual stream after the last block of the last pass"
    assert not np.array_equal(after.log_p[2], before.log_p[2])


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_last_depth_is_the_donors_hidden_state(pair_sets: dict[str, PairSet], family: str) -> None:
    pairs = pair_sets[family]
    for batch in pairs._rolled:
        plan = Plan(1, 1, CONFIG.passes, 1)
        donor = batch.donor.rows.h[:, 1].float()
        of_h = [Edit("h", 1, donor, torch.zeros(()))]
        caches = [batch.target.think_on([edits], plan)[0] for edits in (of_h, pairs.edits(batch, [same("1.3")], None)[0])]
        torch.testing.assert_close(caches[0].keys[:, :, :, :3], caches[1].keys[:, :, :, :3], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_patching_everything_gives_the_sources_answer(engines: dict[str, Engine], family: str) -> None:
    """All slots' keys and values and the prompt's: the target's rollout is left with nothing of its own. Both ways."""
    for pair in PAIRS[:2]:
        for source, target in ((pair.source, pair.target), (pair.target, pair.source)):
            pairs = PairSet(engines[family], [Pair("p", source, target)], CONFIG)
            batch = pairs._rolled[0]
            assert batch.alike, "prompts of one length: the prompt's keys can stay where they are"
            plan = Plan(CONFIG.passes + 1, 0, CONFIG.passes, 1)
            edits = pairs.edits(batch, [same("kv0-3")], None)
            swapped = type(batch.target)(batch.target.steps, batch.target.rows, batch.donor.prefix)
            for index in range(4):
                edits_at = [[edit for edit in edits[0] if edit.index == index]]
                assert len(edits_at[0]) == 2
            cache = swapped.fork(plan)
            for edit in edits[0]:
                slots = cache.keys if edit.point == "k" else cache.values
                slots[:, :, :, edit.index] = edit.apply(slots[:, :, :, edit.index])
            with engines[family].exclusively():
                heard = listen(engines[family], cache, [[each] for each in batch.answers[0]], CONFIG.max_new_tokens)
            assert tuple(heard.ids[0]) == batch.answers[0][0][: len(heard.ids[0])]
            unpatched = PairSet(engines[family], [Pair("p", target, source)], CONFIG).patched([same("1.1")])[0].log_p[0, 0]
            np.testing.assert_allclose([float(log_p.sum()) for log_p in heard.log_p], unpatched[::-1], rtol=1e-4)
            at = batch.parts[0]
            ld = float(heard.log_p[0][0, at] - heard.log_p[1][0, at])
            of_source, of_target = float(pairs.ld_source()[0]), float(pairs.patched([same("1.1")])[0].ld[0, 0])
            if batch.answers[0][0] != batch.answers[0][1]:
                assert (ld - of_target) / (of_source - of_target) == pytest.approx(1, abs=1e-3), "R"


def test_slots_of_prompts_of_another_length_are_turned(pair_sets: dict[str, PairSet]) -> None:
    """Keys of the longer prompt, put in the shorter one, are those the shorter one would have made from the same input."""
    pairs = pair_sets["llama"]
    batch = next(batch for batch in pairs._rolled if "longer" in batch.names)
    row = batch.names.index("longer")
    assert not batch.alike
    keys = pairs.edits(batch, [same("kv0")], None)[0][0].delta[0, row]  # layer 0: bot's embedding, turned to its position
    torch.testing.assert_close(keys, batch.target.rows.keys[0, row, :, 0], rtol=1e-4, atol=1e-4)


def test_a_random_vector_is_as_long_and_another_for_every_pair(pair_sets: dict[str, PairSet]) -> None:
    pairs = pair_sets["llama"]
    batch = pairs._rolled[0]
    own, drawn, again = (pairs.edits(batch, [same("1.2")], change)[0][0].delta for change in (None, random_alike(0), random_alike(0)))
    torch.testing.assert_close(drawn.norm(dim=-1), own.norm(dim=-1))
    assert torch.equal(drawn, again) and not torch.equal(
        drawn[0] / drawn[0].norm(), drawn[-1] / drawn[-1].norm() if len(drawn) > 1 else own[0]
    )


def test_an_answer_that_ignores_index_3_has_no_recovery_there(tmp_path: Path) -> None:
    """Planted: no latent is fed back, and the position of index 3 drowns whatever that pass reads."""
    tensors = tensors_of("gpt2", lora=False)
    for name in tensors:
        if name.startswith("prj.") and name.endswith("weight"):
            tensors[name] = torch.zeros_like(tensors[name])
    pairs = [
        Pair(f"{n}", f"Tom has {n} apples and buys {n + 1} more.", f"Tom has {n + 2} apples and buys {n + 3} more.") for n in (2, 4, 6)
    ]
    probe = Engine(load(write(tmp_path / "probe", tensors, "gpt2")))
    length = {len(probe.prompt(text, RolloutConfig(5)).ids) for pair in pairs for text in (pair.source, pair.target)}
    assert len(length) == 1
    position = length.pop() - 1 + 3
    tensors["codi.transformer.wpe.weight"][position] = 1e6 * torch.randn(32)
    engine = Engine(load(write(tmp_path / "planted", tensors, "gpt2")))
    found = PairSet(engine, pairs, RolloutConfig(passes=5, max_new_tokens=2))
    each = []
    for index in range(6):
        before, after = found.patched(cells_of(index, 3))
        each.append(np.nanmax(np.abs(recovery(after.ld - before.ld, found.ld_source() - before.ld))))
    assert each[3] < 1e-4
    assert all(value > 1e-3 for index, value in enumerate(each) if index != 3), each


def test_differences_below_a_nat_have_no_recovery() -> None:
    found = recovery(np.float32([0.5, 0.5, -1]), np.float32([0.9, 2, -4]))
    assert np.isnan(found[0]) and found[1:].tolist() == [0.25, 0.25]


@pytest.mark.parametrize(
    ("taken", "put", "says"),
    [
        ("z3", "", "never consumed"),
        ("4.1", "", "indices 0 \\(bot\\) to 3"),
        ("1.9", "", "depths 0"),
        ("1.2", "0.0", "embedding of bot"),
        ("1.2", "kv1", "cells go to cells"),
        ("0-1", "0-2", "as many indices"),
        ("2-1", "", "backwards"),
        ("<b>", "", "names no place"),
    ],
)
def test_what_is_no_patch_is_refused(workbench: Workbench, folder: str, taken: str, put: str, says: str) -> None:
    request = PatchRequest(folder, PAIRS[0].source, PAIRS[0].target, taken, put, 3, 4)
    with pytest.raises(InterventionError, match=says):
        patch(workbench, request, "test")


def test_a_map_of_one_pair_is_stored_and_equals_the_patches(workbench: Workbench, folder: str) -> None:
    request = PatchMapRequest(folder, PAIRS[2].source, PAIRS[2].target, passes=2, max_new_tokens=3)
    assert list(patch_map(workbench, request, "test", compute=False)) == []
    *_, found = patch_map(workbench, request, "test")
    (again,) = patch_map(workbench, request, "test", compute=False)
    assert found.done == 3 and np.array_equal(found.recovery.value, again.recovery.value, equal_nan=True)
    assert np.isnan(found.recovery.value[0, 0]) and np.isnan(found.recovery.low).all(), "a single pair has no interval"
    one = patch(workbench, PatchRequest(folder, PAIRS[2].source, PAIRS[2].target, "1.2", passes=2, max_new_tokens=3), "test")
    assert one.source.tokens != one.target.tokens
    assert one.reached.site.sum() == 1 and one.reached.cells[1, 2] and not one.reached.cells[1, 1] and one.reached.cells[2].all()
    if one.effect.recovery is not None:
        assert one.effect.recovery == pytest.approx(float(found.recovery.value[1, 2]), abs=1e-4)
    else:
        assert found.left_out == 1


def test_a_map_that_cannot_be_is_refused(workbench: Workbench, folder: str) -> None:
    for request, says in (
        (PatchMapRequest(folder, clean="One prompt"), "needs both"),
        (PatchMapRequest(folder, "A", "B", donor="mean"), "needs other questions"),
        (PatchMapRequest(folder, n=0), "0 pairs"),
    ):
        with pytest.raises(InputError, match=says):
            next(patch_map(workbench, request, "test"))
