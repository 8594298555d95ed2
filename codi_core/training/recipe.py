"""The loss of CODI (arXiv 2502.21074), answer-only variant, and SIM-CoT's step supervision (arXiv 2509.20317) as an option.

Teacher (question → chain → answer) and student (question → six latents → answer) are one network and share the prompt's KV cache.
A pause twin (Goyal et al. 2024, arXiv 2310.02226) is fed one learned vector where its original is fed the projected latents: it has the
same positions to compute at, and no way to feed a thought back.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM
from transformers.cache_utils import DynamicLayer

from codi_core.training.batches import IGNORE, MAX_STEPS, Batch

NUMBER_PERIODS = (2, 3, 4, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000)


@dataclass(frozen=True)
class Losses:
    total: Tensor
    student: Tensor
    teacher: Tensor
    distill: Tensor
    steps: Tensor


def projection(width: int) -> nn.Sequential:
    """`prj` with the names of the public checkpoints: 1 and 3 are linear, then `ln`."""
    prj = nn.Sequential(nn.Dropout(0.0), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
    prj.add_module("ln", nn.LayerNorm(width))
    return prj


class Pause(nn.Module):
    """One learned vector whatever the latent before it is; one-dimensional, so without weight decay, as the embedding it starts from."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(start.detach().clone())

    def forward(self, hidden: Tensor) -> Tensor:
        return self.weight.expand_as(hidden)


class Student(nn.Module):
    """The network under training, with the parameter names of a public checkpoint without LoRA (`codi.*`, `prj.*`).

    ``paused_from`` makes a pause twin: ``pause.*``, starting as the embedding of that token, in place of ``prj.*``.
    """

    def __init__(self, config: LlamaConfig, number_ids: list[int], seed: int, paused_from: int | None = None) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.codi = LlamaForCausalLM(config)
        prj = projection(config.hidden_size)  # drawn in either case: a twin starts from the very weights of its original
        self._initialise_numbers(number_ids)
        if paused_from is None:
            self.prj = prj
        else:
            self.pause = Pause(self.codi.model.embed_tokens.weight[paused_from])

    @property
    def is_paused(self) -> bool:
        return hasattr(self, "pause")

    def feed_back(self, hidden: Tensor) -> Tensor:
        """The input of the pass after post-norm ``hidden`` (…, d)."""
        fed: Tensor = self.pause(hidden) if self.is_paused else self.prj(hidden)
        return fed

    @torch.no_grad()
    def _initialise_numbers(self, ids: list[int]) -> None:
        """Number n starts as a random projection of its phase in several periods and its size: arithmetic is learnt many times faster."""
        n = torch.arange(len(ids), dtype=torch.float32)[:, None]
        angle = 2 * torch.pi * n / torch.tensor(NUMBER_PERIODS, dtype=torch.float32)
        features = torch.cat([angle.sin(), angle.cos(), n / 1000], dim=1)
        rows = features @ torch.randn(features.shape[1], self.codi.config.hidden_size)
        self.codi.model.embed_tokens.weight[ids] = rows * (0.04 / rows.std())

    def embed(self, ids: Tensor) -> Tensor:
        embedded: Tensor = self.codi.model.embed_tokens(ids)
        return embedded

    def unembed(self, hidden: Tensor) -> Tensor:
        """Logits of post-norm hidden states (rows, d); rows are contiguous by construction."""
        logits: Tensor = self.codi.lm_head(hidden)
        return logits


def fork(cache: DynamicCache) -> DynamicCache:
    """A cache that continues from ``cache``; growing it concatenates, so the shared prompt is never written."""
    copy = DynamicCache()
    for number, layer in enumerate(cache.layers):
        assert isinstance(layer, DynamicLayer) and layer.keys is not None and layer.values is not None
        copy.update(layer.keys, layer.values, number)
    return copy


def forward(model: Student, embeds: Tensor, mask: Tensor, cache: DynamicCache, states: bool = False) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Post-norm hidden states (batch, new, d) of ``embeds`` after what ``cache`` holds; ``mask`` (batch, old + new)."""
    positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -embeds.shape[1] :]
    out = model.codi.model(
        inputs_embeds=embeds,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        output_hidden_states=states,
    )
    return out.last_hidden_state, out.hidden_states or ()


def cross_entropy(model: Student, hidden: Tensor, targets: Tensor) -> Tensor:
    """Mean over the targets that count; only those positions are unembedded."""
    wanted = targets != IGNORE
    return F.cross_entropy(model.unembed(hidden[wanted]), targets[wanted])


def grow(mask: Tensor, width: int) -> Tensor:
    return torch.cat([mask, mask.new_ones(len(mask), width)], dim=1)


def teacher(model: Student, batch: Batch, h_bot: Tensor, cache: DynamicCache) -> tuple[Tensor, list[Tensor]]:
    """Loss of the explicit chain, and the hidden states at its eot: one (batch, d) per depth."""
    inputs = batch.chain[:, :-1].clamp(min=0)
    hidden, states = forward(model, model.embed(inputs), grow(batch.prompt_mask, inputs.shape[1]), cache, states=True)
    loss = cross_entropy(model, torch.cat([h_bot[:, None], hidden], dim=1), batch.chain)
    rows = torch.arange(len(inputs), device=inputs.device)
    return loss, [s[rows, batch.chain_eot] for s in states]


def think(model: Student, batch: Batch, h_bot: Tensor, cache: DynamicCache, passes: int) -> tuple[list[Tensor], Tensor]:
    """h at index 0..passes, each (batch, d), and the attention mask that has grown with them."""
    latents, mask = [h_bot], batch.prompt_mask
    for _ in range(passes):
        mask = grow(mask, 1)
        hidden, _ = forward(model, model.feed_back(latents[-1])[:, None], mask, cache)
        latents.append(hidden.squeeze(1))
    return latents, mask


def student(
    model: Student, batch: Batch, h_bot: Tensor, cache: DynamicCache, passes: int
) -> tuple[list[Tensor], Tensor, tuple[Tensor, ...]]:
    """h at index 0..passes as `think`, then post-norm hidden states and those of every depth at the answer's inputs, eot first.

    What a pause twin is fed is known before its first pass, so pass by pass and one causal forward are the same function.
    """
    answer = model.embed(batch.answer[:, :-1].clamp(min=0))
    if not model.is_paused:
        latents, mask = think(model, batch, h_bot, cache, passes)
        hidden, states = forward(model, answer, grow(mask, answer.shape[1]), cache, states=True)
        return latents, hidden, states
    pauses = model.feed_back(h_bot)[:, None].expand(-1, passes, -1)
    inputs = torch.cat([pauses, answer], dim=1)
    hidden, states = forward(model, inputs, grow(batch.prompt_mask, inputs.shape[1]), cache, states=True)
    return [h_bot, *hidden[:, :passes].unbind(1)], hidden[:, passes:], tuple(s[:, passes:] for s in states)


def step_loss(model: Student, latents: list[Tensor], values: Tensor) -> Tensor:
    """SIM-CoT: the latent at index j + 1 must unembed to the value of step j, counted from 1."""
    present = [j for j in range(MAX_STEPS) if bool(values[:, j].ne(IGNORE).any())]
    return torch.stack([cross_entropy(model, latents[j + 2], values[:, j]) for j in present]).sum()


def drill_loss(model: Student, inputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the values of bare equations; padding is on the right, where causal attention never looks."""
    hidden = model.codi.model(input_ids=inputs, use_cache=False).last_hidden_state
    return cross_entropy(model, hidden, targets)


def losses(model: Student, batch: Batch, passes: int, distill_factor: float, step_weight: float, teacher_only: bool) -> Losses:
    prompt_cache, zero = DynamicCache(), torch.zeros(())
    hidden, _ = forward(model, model.embed(batch.prompt), batch.prompt_mask, prompt_cache)
    h_bot = hidden[:, -1]
    teacher_loss, teacher_states = teacher(model, batch, h_bot, fork(prompt_cache))
    if teacher_only:
        return Losses(teacher_loss, zero, teacher_loss, zero, zero)
    latents, hidden, states = student(model, batch, h_bot, fork(prompt_cache), passes)
    student_loss = cross_entropy(model, hidden, batch.answer[:, 1:])
    distances = [
        F.smooth_l1_loss(s[:, 0] / t.std(), t / t.std()) for s, t in zip(states, (t.detach() for t in teacher_states), strict=True)
    ]
    distill = torch.stack(distances).mean()
    steps = step_loss(model, latents, batch.step_values) if step_weight else zero
    total = student_loss + teacher_loss + distill_factor * distill + step_weight * steps
    return Losses(total, student_loss, teacher_loss, distill, steps)
