"""A loaded model under canonical names, whatever its family."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from codi_core.models.families import Family
from codi_core.models.prompts import BOT, EOT, SpecialIds, after_latents, build_prompt
from codi_core.types import ModelSpec


@dataclass(frozen=True, eq=False)
class CodiModel:
    """Weights, tokenizer and projection of one checkpoint, in eval mode and without gradients. Nothing here is ever modified."""

    spec: ModelSpec
    hf: nn.Module
    """transformers' causal language model."""
    family: Family
    projection: nn.Module
    tokenizer: PreTrainedTokenizerFast
    ids: SpecialIds
    device: torch.device
    dtype: torch.dtype
    device_reason: str
    source: str
    """The folder it was read from."""
    training: dict[str, Any]
    """What ``codi.json`` says about the training; empty for checkpoints that have none."""

    @property
    def config(self) -> Any:
        return self.hf.config

    @cached_property
    def body(self) -> nn.Module:
        """Embeddings in, post-norm hidden states out; no head."""
        return self._part(self.family.body)

    @cached_property
    def blocks(self) -> nn.ModuleList:
        blocks = self._part(self.family.blocks)
        assert isinstance(blocks, nn.ModuleList)
        return blocks

    @cached_property
    def final_norm(self) -> nn.Module:
        return self._part(self.family.final_norm)

    @cached_property
    def lm_head(self) -> nn.Module:
        return self._part("lm_head")

    def _part(self, name: str) -> nn.Module:
        part = self.family.part(self.hf, name)
        assert isinstance(part, nn.Module)
        return part

    @cached_property
    def embedding(self) -> nn.Module:
        return self._part(self.family.embed)

    def embed(self, ids: Tensor) -> Tensor:
        """Ids ``[…]`` → ``[… d_model]``, without learned positions."""
        embedded: Tensor = self.embedding(ids)
        return embedded

    def project(self, h: Tensor) -> Tensor:
        """Post-norm hidden state ``[… d_model]`` → z ``[… d_model]``. Contiguous input: strided slices are up to 1,200× slower."""
        z: Tensor = self.projection(h.contiguous())
        return z

    def unembed(self, resid: Tensor) -> Tensor:
        """Residual stream before the final norm ``[… d_model]`` → logits ``[… vocab]``."""
        logits: Tensor = self.lm_head(self.final_norm(resid.contiguous()))
        return logits

    @cached_property
    def n_layers(self) -> int:
        return len(self.blocks)

    @property
    def d_model(self) -> int:
        return int(self.config.hidden_size)

    @property
    def n_heads(self) -> int:
        return int(self.config.num_attention_heads)

    @property
    def n_kv_heads(self) -> int:
        return int(getattr(self.config, "num_key_value_heads", None) or self.n_heads)

    @property
    def d_head(self) -> int:
        return int(getattr(self.config, "head_dim", None) or self.d_model // self.n_heads)

    @property
    def vocab_size(self) -> int:
        return int(self.config.vocab_size)

    @property
    def max_positions(self) -> int:
        return int(self.config.max_position_embeddings)

    @cached_property
    def parameters_count(self) -> int:
        """Weights, shared ones counted once."""
        parameters = [*self.hf.parameters(), *self.projection.parameters()]
        return sum({p.data_ptr(): p.numel() for p in parameters}.values())

    def build_prompt(self, question: str) -> list[int]:
        """Ids of the whole prompt, bot included. Raises InputError when it is blank or too long."""
        return build_prompt(self.tokenizer, self.ids, self.spec.prompt_format, question)

    @property
    def after_latents(self) -> list[int]:
        """Ids fed after the last pass: eot, and eos in the ``paper-eos`` format."""
        return after_latents(self.ids, self.spec.prompt_format)

    def decode(self, ids: list[int]) -> str:
        """Text of generated ids, special tokens left out."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def token_text(self, token_id: int) -> str:
        """One token as text; bot and eot by name even when the tokenizer does not know them."""
        if token_id not in self._token_texts:
            self._token_texts[token_id] = str(self.tokenizer.decode([token_id]))
        return self._token_texts[token_id]

    @cached_property
    def _token_texts(self) -> dict[int, str]:
        return {self.ids.bot: BOT, self.ids.eot: EOT}
