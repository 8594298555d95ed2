"""Steering the way the public scripts do it: transformers' own model and cache, everything run again for every condition.

As there, every forward is the whole causal language model with ``output_hidden_states``: logits of all positions, states of all layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import transformers  # its parts are loaded when they are first named
from torch import Tensor, nn

from codi_core.models.model import CodiModel
from codi_core.values.vectors import DifferenceVector


@dataclass(frozen=True)
class Naive:
    """The same weights in an unmodified transformers model."""

    model: CodiModel
    hf: nn.Module

    @classmethod
    def of(cls, model: CodiModel) -> Naive:
        config = transformers.AutoConfig.for_model(**model.config.given)
        hf = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=model.dtype).to(model.device).eval()
        hf.load_state_dict(model.hf.state_dict())
        return cls(model, hf)

    @torch.inference_mode()
    def answers(
        self,
        prompts: Sequence[Sequence[int]],
        passes: int,
        vector: DifferenceVector,
        coefficient: float,
        new_tokens: int,
        batch: int,
        by_length: bool = True,
    ) -> list[str]:
        """Answers with coefficient · vector (keys as in the cache) on the slot of the last pass, in the order of ``prompts``.

        A batch is left-padded and masked; ``by_length`` sorts the prompts first, so that little is padding.
        """
        order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]) if by_length else number)
        delta = torch.from_numpy(vector.values).to(self.model.device, self.model.dtype) * coefficient
        done: dict[int, str] = {}
        for start in range(0, len(order), batch):
            numbers = order[start : start + batch]
            ids = self._batch([prompts[number] for number in numbers], passes, delta, new_tokens)
            done.update(zip(numbers, map(self.model.decode, ids), strict=True))
        return [done[number] for number in range(len(prompts))]

    def _batch(self, prompts: Sequence[Sequence[int]], passes: int, delta: Tensor, new_tokens: int) -> list[list[int]]:
        model, longest = self.model, max(map(len, prompts))
        ids = torch.tensor([[model.ids.pad] * (longest - len(prompt)) + list(prompt) for prompt in prompts], device=model.device)
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
        run = _Run(self.hf, mask)
        hidden, _ = run(model.embed(ids))
        for _ in range(passes):
            hidden, _ = run(model.project(hidden)[:, None])
        for layer, kept in enumerate(run.cache.layers):
            kept.keys[:, :, -1] += delta[0, layer]
            kept.values[:, :, -1] += delta[1, layer]
        for token in model.after_latents:
            _, logits = run(model.embed(torch.full((len(prompts), 1), token, device=model.device)))
        answers: list[list[int]] = [[] for _ in prompts]
        ended = [False] * len(prompts)
        while True:
            logits[:, model.ids.eot] = float("-inf")
            tokens = logits.argmax(-1)
            for row, token in enumerate(tokens.tolist()):
                ended[row] |= token == model.ids.eos or len(answers[row]) == new_tokens
                if not ended[row]:
                    answers[row].append(token)
            if all(ended):
                return answers
            _, logits = run(model.embed(tokens[:, None]))


class _Run:
    """A sequence that grows."""

    def __init__(self, hf: nn.Module, mask: Tensor) -> None:
        self.hf, self.mask, self.cache = hf, mask, transformers.DynamicCache()

    def __call__(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """``[row q d_model]`` → post-norm hidden state ``[row d_model]`` and logits ``[row vocab]`` of the last one."""
        q, past = embeddings.shape[1], self.cache.get_seq_length()
        if past:
            self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), q)], 1)
        positions = (self.mask.cumsum(1) - 1).clamp(min=0)[:, -q:]
        out = self.hf(
            inputs_embeds=embeddings,
            attention_mask=self.mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            output_hidden_states=True,
        )
        return out.hidden_states[-1][:, -1], out.logits[:, -1]
