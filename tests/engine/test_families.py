"""Every row of FAMILIES: recognised by its file, fed back as it says, the same through the oracle, and usable by every service."""

from __future__ import annotations

import itertools
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerFast

from codi_core.engine.editors import Site
from codi_core.engine.engine import Engine
from codi_core.engine.oracle import oracle_rollout
from codi_core.errors import InputError
from codi_core.evaluation.golds import gold_of
from codi_core.models.families import FAMILIES, Family
from codi_core.models.prompts import FRAMES
from codi_core.services.ablate import EarlyStopRequest, early_stop
from codi_core.services.cards import model_card
from codi_core.services.effects import evaluate_condition
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.shared.requests import ConditionRequest, MeansRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.steering.flags import methods_of
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import Question
from tests.checkpoints import BASE_CONFIGS, FIXTURES, base_model, distance, load
from tests.engine.editing import Add

BASES = {"gpt2": "coconut-gpt2", "llama": "coconut-llama"}
"""Where the base's tokenizer comes from, without any family's tokens."""
CASES = list(itertools.product(FAMILIES, BASES))
QUESTIONS = ["How many is 4 times 5, plus 2?", "7 - 2?", "12 / 4 = ?"]
CONFIG = RolloutConfig(passes=3, max_new_tokens=6)
GOLD = Question("", QUESTIONS[0], 18.0, "", (), ())


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("families")


@cache
def folder_of(root: Path, name: str, base: str) -> Path:
    """A checkpoint with random weights as the row says its files are."""
    family, folder = FAMILIES[name], root / f"{name}-{base}"
    folder.mkdir()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(FIXTURES / BASES[base] / "base")
    rows = len(tokenizer) + len(family.added)
    tokenizer.add_tokens([added.name for added in family.added])
    tokenizer.save_pretrained(folder)
    model = base_model(base, vocab=rows)
    tensors = {family.bodies[0] + key: value.clone() for key, value in model.state_dict().items()}
    width, generator = model.config.hidden_size, torch.Generator().manual_seed(1)
    if not family.feeds_back:
        tensors[f"{family.projection}weight"] = 0.3 * torch.randn(width, generator=generator)
    elif family.projection:
        shapes = {
            "1.weight": (24, width),
            "1.bias": (24,),
            "3.weight": (width, 24),
            "3.bias": (width,),
            "ln.weight": (width,),
            "ln.bias": (width,),
        }
        tensors |= {family.projection + key: 0.3 * torch.randn(shape, generator=generator) for key, shape in shapes.items()}
    for prefix in family.apart:
        tensors[f"{prefix}weight"] = torch.zeros(2, 2)
    for copy in family.copies:
        tensors[copy] = next(tensor for key, tensor in tensors.items() if key.endswith(("wte.weight", "embed_tokens.weight"))).clone()
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({**BASE_CONFIGS[base], "vocab_size": rows}))
    return folder


@cache
def loaded(root: Path, name: str, base: str) -> Engine:
    return Engine(load(folder_of(root, name, base), lora_alpha=None))


@pytest.fixture(params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture
def family(case: tuple[str, str]) -> Family:
    return FAMILIES[case[0]]


@pytest.fixture
def engine(written: Path, case: tuple[str, str]) -> Engine:
    return loaded(written, *case)


def test_it_is_recognised_and_its_rows_are_known(engine: Engine, family: Family) -> None:
    model = engine.model
    assert model.family is family and model.spec.family == family.name
    first = model.vocab_size - len(family.added)
    ids = {"pad": model.ids.pad, "bot": model.ids.bot, "eot": model.ids.eot, "latent": model.ids.latent}
    assert [ids[added.role] for added in family.added] == list(range(first, model.vocab_size))
    assert [model.token_text(ids[added.role] or 0) for added in family.added if added.role != "pad"] == [
        added.name for added in family.added if added.role != "pad"
    ]


def test_a_row_is_whole(family: Family) -> None:
    roles = [added.role for added in family.added]
    assert {"bot", "eot"} <= set(roles) and len(set(roles)) == len(roles)
    assert family.label and family.source and family.formats and set(family.formats) <= FRAMES.keys()
    assert "latent" in family.modes and (family.passes is not None) != bool(family.passes_hint)
    assert (family.latent_read_as is None) or "latent" in roles


def test_every_tensor_has_a_fate(engine: Engine, family: Family) -> None:
    fates = [entry.fate for entry in engine.model.ledger]
    assert sum(fate.startswith("kept apart") for fate in fates) == len(family.apart)
    assert sum(fate.startswith("ignored") for fate in fates) == len(family.copies)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_engine_equals_the_naive_oracle_steered_or_not(engine: Engine, batch_size: int) -> None:
    for editors in ([], [Add((Site("z", 1),))], [Add((Site("h", 0),))]):
        for question, ours in zip(QUESTIONS, engine.rollout(QUESTIONS, CONFIG, editors, batch_size=batch_size), strict=True):
            theirs = oracle_rollout(engine.model, question, CONFIG, editors)
            assert list(ours.answer_ids) == theirs.answer_ids
            assert distance(ours.h, theirs.h.numpy()) < 1e-3 and distance(ours.z, theirs.z.numpy()) < 1e-3


def test_the_last_depth_is_the_output_and_z_is_h_without_a_projection(engine: Engine, family: Family) -> None:
    for rollout in engine.rollout(QUESTIONS, CONFIG):
        own = engine.model.lm_head(torch.from_numpy(rollout.h))
        torch.testing.assert_close(engine.model.unembed(torch.from_numpy(rollout.resid[:, -1])), own, rtol=1e-4, atol=1e-4)
        assert np.array_equal(rollout.h, rollout.z) == (not family.projection)


def test_coefficient_zero_is_the_baseline_and_an_edit_reaches_only_what_follows(engine: Engine) -> None:
    sites = (Site("z", 1), Site("h", 2), Site("resid", 1, 2), Site("k", 1, 0))
    plain = engine.rollout(QUESTIONS, CONFIG)
    for ours, theirs in zip(engine.rollout(QUESTIONS, CONFIG, [Add(sites, coefficient=0.0)]), plain, strict=True):
        assert np.array_equal(ours.resid, theirs.resid) and ours.answer_ids == theirs.answer_ids
    for ours, theirs in zip(engine.rollout(QUESTIONS, CONFIG, [Add((Site("z", 1),))]), plain, strict=True):
        assert np.array_equal(ours.resid[:2], theirs.resid[:2]) and not np.array_equal(ours.resid[2], theirs.resid[2])


def test_modes_without_latents_run_where_they_were_trained(engine: Engine, family: Family) -> None:
    for mode, run in (("explicit", engine.cot), ("direct", engine.direct)):
        if mode in family.modes:
            assert len(run(QUESTIONS, max_new_tokens=4)) == len(QUESTIONS)
        else:
            with pytest.raises(InputError, match=f"mode {mode}"):
                run(QUESTIONS)


def test_masked_ids_are_never_written_and_gold_is_spelled_with_the_lead(engine: Engine) -> None:
    for rollout in engine.rollout(QUESTIONS, CONFIG):
        assert not set(rollout.answer_ids) & set(engine.model.masked)
    assert engine.model.decode(list(gold_of(engine.model, GOLD).ids)).endswith(f"{engine.model.frame.lead}18")


def test_the_services_work_on_it(written: Path, case: tuple[str, str], workbench: Workbench) -> None:
    name = str(folder_of(written, *case))
    card = model_card(workbench, name, "me")
    assert card.family == case[0] and card.architecture == case[1]
    seen = inspect(workbench, InspectRequest(name, QUESTIONS[0], passes=2), "me")
    assert seen.grids["logit"].top_probs.shape[0] == 3
    push = methods_of("kv source=difference a=1 b=2 coefficient=2 indices=1")
    *_, effect = evaluate_condition(workbench, ConditionRequest(name, push, "templates", 6, means=MeansRequest(n=12), passes=2), "me")
    assert effect.paired.n == 6
    *_, curve = early_stop(workbench, EarlyStopRequest(name, n=6, passes=2), "me")
    assert curve.done == 3
