"""Trains a bundled model from scratch: seeded, resumable, written in the public checkpoint format."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import DynamicCache, LlamaConfig

from codi_core.errors import InputError
from codi_core.keys import ADDED_LATER, key_of
from codi_core.problems.generate import MAX_VALUE, stream
from codi_core.training.batches import Batch, batches, encode
from codi_core.training.drill import drill
from codi_core.training.recipe import Losses, Student, drill_loss, fork, forward, grow, losses, think
from codi_core.training.tokenizer import BOS, BOT, EOS, PAD, save_tokenizer, token_id, train_tokenizer

Row = dict[str, float]
LOSSES = ("student", "teacher", "distill", "steps")
DRILL_BATCHES, DRILL_BESIDE = 8, 4
"""Equations are short: a drill step holds the first number times the problems of a batch; the second go beside every later batch."""


@dataclass(frozen=True)
class TrainSpec:
    """Everything that decides the weights."""

    kind: ClassVar[str] = "train"
    name: str = "bundled"
    seed: int = 7
    steps: int = 7_400
    """All of them: drill, explicit chains alone, then chains and latents together."""
    drill_steps: int = 600
    """Steps on bare equations, eight times the batch."""
    teacher_steps: int = 800
    """Steps on explicit chains alone, before the latents join."""
    batch: int = 32
    lr: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.05
    clip: float = 1.0
    passes: int = 6
    distill_factor: float = 4.0
    step_weight: float = 0.0
    """Weight of SIM-CoT's step loss per step; 0 = plain CODI."""
    words: int = 1_100
    width: int = 128
    layers: int = 6
    heads: int = 4
    mlp: int = 384
    latent_input: Literal["projected", "shared"] = field(default="projected", metadata=ADDED_LATER)
    """What a pass is fed: the projected latent before it, or (a pause twin) one learned vector, the same in every pass."""


TRAIN_PRESETS = {
    spec.name: spec
    for spec in (
        TrainSpec(),
        TrainSpec(name="bundled-steps", step_weight=0.25),
        TrainSpec(name="bundled-pause", latent_input="shared"),
        TrainSpec(name="bundled-steps-pause", step_weight=0.25, latent_input="shared"),
    )
}


def make_tokenizer(spec: TrainSpec) -> Tokenizer:
    problems = islice(stream("train", spec.seed), 6_000)
    return train_tokenizer((text for p in problems for text in (p.question, p.cot)), spec.words)


def make_config(spec: TrainSpec, tokenizer: Tokenizer) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=spec.width,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        num_key_value_heads=spec.heads,
        intermediate_size=spec.mlp,
        max_position_embeddings=32_768,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=token_id(tokenizer, BOS),
        eos_token_id=token_id(tokenizer, EOS),
        pad_token_id=token_id(tokenizer, PAD),
        architectures=["LlamaForCausalLM"],
        dtype="float32",
    )


def make_student(spec: TrainSpec, tokenizer: Tokenizer) -> Student:
    """Untrained. The weights that a twin and its original share are equal."""
    numbers = [token_id(tokenizer, str(n)) for n in range(MAX_VALUE + 1)]
    paused_from = token_id(tokenizer, BOT) if spec.latent_input == "shared" else None
    return Student(make_config(spec, tokenizer), numbers, spec.seed, paused_from)


def learning_rate(spec: TrainSpec, step: int) -> float:
    """Warm up, then a cosine to zero over all the steps: nearly everything is learnt while the rate falls."""
    if step < spec.warmup:
        return spec.lr * (step + 1) / spec.warmup
    return spec.lr * 0.5 * (1 + math.cos(math.pi * (step - spec.warmup) / (spec.steps - spec.warmup)))


def parameter_groups(model: Student, decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices only, and not for the embeddings."""
    named = dict(model.named_parameters())
    matrices = [p for n, p in named.items() if p.ndim > 1 and "embed" not in n]
    others = [p for n, p in named.items() if not (p.ndim > 1 and "embed" not in n)]
    return [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


@torch.no_grad()
def probe(model: Student, batch: Batch, passes: int) -> float:
    """Share of the batch whose first answer token is right after ``passes`` latent passes."""
    cache = DynamicCache()
    hidden, _ = forward(model, model.embed(batch.prompt), batch.prompt_mask, cache)
    _, mask = think(model, batch, hidden[:, -1], cache, passes)
    hidden, _ = forward(model, model.embed(batch.answer[:, :1]), grow(mask, 1), cache)
    return float((model.unembed(hidden[:, 0]).argmax(-1) == batch.answer[:, 1]).float().mean())


@torch.no_grad()
def probe_teacher(model: Student, batch: Batch) -> float:
    """Share of the batch whose whole chain and answer are predicted, token by token, given the true ones before."""
    cache = DynamicCache()
    hidden, _ = forward(model, model.embed(batch.prompt), batch.prompt_mask, cache)
    inputs = batch.chain[:, :-1].clamp(min=0)
    rest, _ = forward(model, model.embed(inputs), grow(batch.prompt_mask, inputs.shape[1]), fork(cache))
    guess = model.unembed(torch.cat([hidden[:, -1:], rest], dim=1).contiguous()).argmax(-1)
    return float(((guess == batch.chain) | (batch.chain < 0)).all(1).float().mean())


def probe_problems(tokenizer: Tokenizer, n: int = 256) -> Batch:
    """Unseen triples for the learning curve (the reported accuracies come from `eval`, on other problems)."""
    return encode(list(islice(stream("test", 10_007), n)), tokenizer)


def save_checkpoint(model: Student, tokenizer: Tokenizer, spec: TrainSpec, folder: Path, card: dict[str, Any]) -> None:
    """Public format: one safetensors file of the full model, the tokenizer's files, the base's config.json, and our card in codi.json."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        k: v.detach().contiguous().cpu() for k, v in model.state_dict().items() if k != "codi.lm_head.weight"
    }  # tied to the embedding
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # safetensors leaves it to its owner alone; a container runs as another user
    save_tokenizer(tokenizer, folder)
    (folder / "config.json").write_text(json.dumps(model.codi.config.to_diff_dict(), indent=2, sort_keys=True) + "\n")
    facts = {
        "prompt_format": "answer-only",
        "rope_rounding": "none",
        "lora_alpha": None,
        "latent_input": spec.latent_input,
        "training": {**asdict(spec), "key": key_of(spec)},
        **card,
    }
    (folder / "codi.json").write_text(json.dumps(facts, indent=2) + "\n")


@dataclass
class State:
    """What a killed run needs to go on: kept in ``<out>/state.pt``, with the learning curve beside it."""

    step: int
    seconds: float
    curve: list[Row]


def save_state(path: Path, spec: TrainSpec, model: Student, optimizer: torch.optim.Optimizer, state: State) -> None:
    partial = path.with_suffix(".tmp")
    held = replace(spec, steps=0)
    torch.save(
        {
            "spec": key_of(held),
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": state.step,
            "seconds": state.seconds,
            "curve": state.curve,
        },
        partial,
    )
    partial.replace(path)


def load_state(path: Path, spec: TrainSpec, model: Student, optimizer: torch.optim.Optimizer) -> State:
    if not path.exists():
        return State(0, 0.0, [])
    saved = torch.load(path, weights_only=True)
    if saved["spec"] != key_of(replace(spec, steps=0)):
        raise InputError(f"{path} belongs to a run with other settings. Choose another --out folder, or delete this one to start again.")
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    return State(saved["step"], saved["seconds"], saved["curve"])


def move(batch: Batch, device: str) -> Batch:
    return Batch(**{name: getattr(batch, name).to(device) for name in Batch.__dataclass_fields__})


class Feed:
    """What every step of a run trains on, a function of the spec and the step alone: a resumed run sees what an unbroken one would."""

    def __init__(self, spec: TrainSpec, tokenizer: Tokenizer, device: str, first: int) -> None:
        self.spec, self.tokenizer, self.device = spec, tokenizer, device
        self._batches = batches(tokenizer, spec.batch, spec.seed, first=max(0, first - spec.drill_steps))

    def losses(self, model: Student, step: int) -> Losses:
        spec, alone = self.spec, step < self.spec.drill_steps
        size = (DRILL_BATCHES if alone else DRILL_BESIDE) * spec.batch
        inputs, targets = drill(self.tokenizer, size, spec.seed * 1_000_003 + step)
        drilled = drill_loss(model, inputs.to(self.device), targets.to(self.device))
        if alone:
            zero = torch.zeros(())
            return Losses(drilled, zero, drilled, zero, zero)
        teacher_only = step < spec.drill_steps + spec.teacher_steps
        found = losses(model, move(next(self._batches), self.device), spec.passes, spec.distill_factor, spec.step_weight, teacher_only)
        return replace(found, total=found.total + drilled)


def update(model: Student, optimizer: torch.optim.Optimizer, feed: Feed, step: int) -> Row:
    """One step of training; returns its losses."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(feed.spec, step)
    loss = feed.losses(model, step)
    optimizer.zero_grad()
    loss.total.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), feed.spec.clip)
    optimizer.step()
    return {name: getattr(loss, name).item() for name in LOSSES}


def measure(model: Student, held_out: Batch, passes: int) -> dict[str, float]:
    """The held-out half of a learning curve's row."""
    right = {f"right_{p}": probe(model, held_out, p) for p in (0, passes)}
    return {"teacher_right": probe_teacher(model, held_out), **right}


def train(spec: TrainSpec, out: Path, device: str = "cpu", report: Callable[[Row], None] = lambda row: None, every: int = 100) -> Path:
    """Runs or resumes ``spec`` in ``out``; returns the folder of the finished checkpoint (``out/checkpoint``).

    ``report`` gets a row of the learning curve every ``every`` steps, when the state is saved too. Raises InputError when ``out`` holds
    the state of other settings.
    """
    tokenizer = make_tokenizer(spec)
    model = make_student(spec, tokenizer).to(device)
    optimizer = torch.optim.AdamW(parameter_groups(model, spec.weight_decay), lr=spec.lr, betas=(0.9, 0.98))
    out.mkdir(parents=True, exist_ok=True)
    state = load_state(out / "state.pt", spec, model, optimizer)
    held_out = move(probe_problems(tokenizer), device)
    feed = Feed(spec, tokenizer, device, first=state.step)
    started, seen = time.monotonic() - state.seconds, list[Row]()
    for step in range(state.step, spec.steps):
        seen.append(update(model, optimizer, feed, step))
        if (step + 1) % every == 0 or step + 1 == spec.steps:
            means = {name: sum(row[name] for row in seen) / len(seen) for name in LOSSES}
            row = {"step": step + 1.0, "seconds": time.monotonic() - started, **means, **measure(model, held_out, spec.passes)}
            state = State(step + 1, row["seconds"], [*state.curve, row])
            save_state(out / "state.pt", spec, model, optimizer, state)
            report(row)
            seen.clear()
    card = {"curve": state.curve, "wall_seconds": round(state.seconds), "device": device}
    save_checkpoint(model, tokenizer, spec, out / "checkpoint", card)
    return out / "checkpoint"
