"""What the tests of steering share: small eval sets, latents, every method, and plain transformers as the judge."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from transformers import DynamicCache

from codi_core.engine.engine import Engine
from codi_core.evaluation.prepared import PreparedSet
from codi_core.models.model import CodiModel
from codi_core.problems.evalsets import load_eval_set
from codi_core.steering.conditions import Condition
from codi_core.steering.context import Directions
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.means import collect_samples
from codi_core.steering.methods import Method
from codi_core.steering.replacement import Replacement
from codi_core.steering.token import TokenEdit
from codi_core.steering.vectors import Component, Content, Difference, Random, Shuffled
from codi_core.values.arrays import Floats
from codi_core.values.evals import ScoredRun
from codi_core.values.model import RolloutConfig
from codi_core.values.vectors import MeansSpec
from tests.checkpoints import in_transformers

PASSES = 4
CONFIG = RolloutConfig(PASSES, 5)
MEANS, MEANS_QUESTIONS = load_eval_set("means", 12, 0)
EVALUATED, QUESTIONS = load_eval_set("bundled", 9, 3)
AB = Difference(1, 3)

ADDING: dict[str, Method] = {
    "z": Hidden(AB, 1.0, (2,)),
    "z twice": Hidden(Shuffled(1, 3, 5), 1.0, (1, 3)),
    "z stop": Hidden(AB, 1.0, (1,), then="stop", vector_space="h"),
    "h": Hidden(Component(), 1.0, (0,), "h"),
    "resid": Hidden(AB, 1.0, (2,), "resid", 2),
    "resid last": Hidden(AB, 1.0, (PASSES,), "resid", 1),
    "kv": KV(AB, 1.0, (2,)),
    "kv keys": KV(Random(AB, 3), 1.0, (1, 2), value_weight=0.0),
    "kv heads": KV(AB, 1.0, (1,), layers=(1,), heads=(0,)),
    "kv stop": KV(AB, 1.0, (3,), then="stop"),
    "kv raw stop": KV(Random(AB, 3, "covariance"), 1.0, (3,), then="stop", raw=True),
    "kv last": KV(AB, 1.0, (PASSES,)),
    "token": TokenEdit("8", (2,), 2),
    "content": Hidden(Content(2, MEANS_QUESTIONS[0].steps[0]), 1.0, (2,)),
}
REPLACING: dict[str, Method] = {
    "zero": Replacement("zero", (2,)),
    "mean h": Replacement("mean", (1,), space="h"),
    "mean resid": Replacement("mean", (1,), space="resid", layer=2),
    "gaussian": Replacement("gaussian", (0, 2)),
    "resample": Replacement("resample", (1, 2)),
    "shuffled": Replacement("shuffled", (2,)),
    "donor": Replacement("donor", (0, 1, 2)),
    "donor prompt": Replacement("donor", (1,), donor="How many is 4 times 5?"),
    "content": Replacement("content", (2,), value=MEANS_QUESTIONS[0].steps[0]),
    "kv zero": Replacement("zero", (2,), space="kv", layers=(0, 2)),
    "kv mean": Replacement("mean", (2,), space="kv", then="stop"),
    "kv gaussian": Replacement("gaussian", (1,), space="kv", heads=(1,)),
    "kv resample": Replacement("resample", (2,), space="kv", seed=2),
    "kv shuffled": Replacement("shuffled", (3,), space="kv"),
    "kv donor": Replacement("donor", (2,), space="kv", seed=4),
    "ablate": TokenEdit("8", (1, 2), 2, "ablate"),
    "swap": TokenEdit("8", (2,), 1, "swap", "3"),
    "kv donor prompt": Replacement("donor", (2,), space="kv", donor="How many is 4 times 5?"),
}
METHODS = {**{f"+ {name}": method for name, method in ADDING.items()}, **{f"= {name}": method for name, method in REPLACING.items()}}


def directions_of(engine: Engine) -> Directions:
    samples = collect_samples(engine, MeansSpec(engine.model.spec.key, MEANS, passes=PASSES), MEANS_QUESTIONS)
    return Directions(samples, lambda *asked: made_up(engine, *asked))


def made_up(engine: Engine, reads: str, index: int, depth: int, tokens: Sequence[str]) -> Floats:
    """Directions of tokens, as of a lens."""
    seeds = [zlib.crc32(f"{reads} {index} {depth} {token}".encode()) for token in tokens]
    return np.stack([np.random.default_rng(seed).standard_normal(engine.model.d_model) for seed in seeds]).astype(np.float32)


def condition(engine: Engine, *methods: Method) -> Condition:
    means = MeansSpec(engine.model.spec.key, MEANS, passes=PASSES)
    return Condition(engine.model.spec.key, EVALUATED, CONFIG, methods, means)


def runs(bench: tuple[PreparedSet, Directions], *conditions: Condition) -> list[ScoredRun]:
    """Whole runs, one a condition, in the order of the questions."""
    done: list[ScoredRun] = []
    for number in range(len(bench[0].batches)):
        part = bench[0].answers_of(number, conditions, bench[1])
        done = [a.joined(b) for a, b in zip(done, part, strict=True)] if done else part
    return [run.sorted() for run in done]


def baseline(bench: tuple[PreparedSet, Directions], *conditions: Condition) -> list[ScoredRun]:
    parts = [bench[0].baseline_of(number, conditions) for number in range(len(bench[0].batches))]
    whole = parts[0]
    for part in parts[1:]:
        whole = [a.joined(b) for a, b in zip(whole, part, strict=True)]
    return [run.sorted() for run in whole]


def assert_bits(ours: ScoredRun, theirs: ScoredRun) -> None:
    assert ours.answers == theirs.answers
    for name in ("numbers", "outcomes", "p_gold", "margin"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


Change = Callable[[Tensor], Tensor]


@dataclass
class Changes:
    """What the plain rollout changes: by index; resid by index and depth; k and v ``[kv_head d_head]`` by index and layer."""

    h: dict[int, Change] = field(default_factory=dict)
    z: dict[int, Change] = field(default_factory=dict)
    resid: dict[tuple[int, int], Change] = field(default_factory=dict)
    k: dict[tuple[int, int], Change] = field(default_factory=dict)
    v: dict[tuple[int, int], Change] = field(default_factory=dict)


judge_of = lru_cache(maxsize=8)(in_transformers)
"""Made once a model: to make one takes longer than to ask it."""


def plain_answer(model: CodiModel, ids: Sequence[int], passes: int, new_tokens: int, changes: Changes) -> tuple[list[int], Tensor]:
    """One prompt through transformers' own cache, token by token, as the public scripts do it → answer ids, logits of the first token."""
    theirs, cache = judge_of(model), DynamicCache()
    body, blocks = (model.architecture.part(theirs, name) for name in (model.architecture.body, model.architecture.blocks))

    def run(embeddings: Tensor) -> Tensor:
        hidden: Tensor = body(inputs_embeds=embeddings, past_key_values=cache, use_cache=True).last_hidden_state[:, -1]
        return hidden

    with torch.inference_mode():
        inputs = model.embed(torch.tensor([list(ids)]))
        for index in range(passes + 1):
            hooks = _resid_hooks(blocks, index, changes)
            h = changes.h.get(index, _same)(run(inputs))
            for hook in hooks:
                hook.remove()
            z = changes.z.get(index, _same)(model.project(h))
            for layer, kept in enumerate(cache.layers):
                kept.keys[0, :, -1] = changes.k.get((index, layer), _same)(kept.keys[0, :, -1])
                kept.values[0, :, -1] = changes.v.get((index, layer), _same)(kept.values[0, :, -1])
            inputs = z[:, None]
        for token in model.after_latents:
            hidden = run(model.embed(torch.tensor([[token]])))
        answer: list[int] = []
        first = model.lm_head(hidden)[0]
        while len(answer) < new_tokens:
            logits = model.lm_head(hidden)[0]
            logits[model.ids.eot] = float("-inf")
            token = int(logits.argmax())
            if token == model.ids.eos:
                break
            answer.append(token)
            hidden = run(model.embed(torch.tensor([[token]])))
    return answer, first


def _same(value: Tensor) -> Tensor:
    return value


def _resid_hooks(blocks: nn.ModuleList, index: int, changes: Changes) -> list[torch.utils.hooks.RemovableHandle]:
    def hook_of(change: Change) -> Callable[..., Tensor]:
        def hook(block: object, inputs: object, output: Tensor) -> Tensor:
            output = output.clone()
            output[:, -1] = change(output[:, -1])
            return output

        return hook

    return [blocks[depth - 1].register_forward_hook(hook_of(change)) for (at, depth), change in changes.resid.items() if at == index]
