"""A loaded model under canonical names, whatever its family."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from codi_core.models.architectures import Architecture
from codi_core.models.blocks import CausalModel, Conv1D
from codi_core.models.config import Config
from codi_core.models.families import Family
from codi_core.models.prompts import FRAMES, Frame, after_latents, as_read, build_prompt
from codi_core.models.rows import SpecialIds
from codi_core.values.model import LedgerEntry, ModelSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, eq=False)
class CodiModel:
    """Weights, tokenizer and projection of one checkpoint, in eval mode and without gradients. Nothing here is ever modified."""

    spec: ModelSpec
    hf: CausalModel
    """The causal language model, its parts named as in transformers."""
    architecture: Architecture
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
    passes: int | None = None
    """Latents it was trained with; None when no file says and its family's checkpoints differ."""
    assumed: tuple[str, ...] = ()
    """What no file says and nobody asked for, in words."""
    notes: tuple[str, ...] = ()
    """What was inferred from the files, in words."""
    ledger: tuple[LedgerEntry, ...] = ()
    """Every tensor of the checkpoint, and what became of it."""

    @property
    def is_ours(self) -> bool:
        """Trained by this project, on its own problems."""
        return "training" in self.training

    @property
    def config(self) -> Config:
        return self.hf.config

    @cached_property
    def body(self) -> nn.Module:
        """Embeddings in, post-norm hidden states out; no head."""
        return self._part(self.architecture.body)

    @cached_property
    def blocks(self) -> nn.ModuleList:
        blocks = self._part(self.architecture.blocks)
        assert isinstance(blocks, nn.ModuleList)
        return blocks

    @cached_property
    def final_norm(self) -> nn.Module:
        return self._part(self.architecture.final_norm)

    @cached_property
    def lm_head(self) -> nn.Module:
        return self._part("lm_head")

    def _part(self, name: str) -> nn.Module:
        part = self.architecture.part(self.hf, name)
        assert isinstance(part, nn.Module)
        return part

    @cached_property
    def embedding(self) -> nn.Module:
        return self._part(self.architecture.embed)

    def embed(self, ids: Tensor) -> Tensor:
        """Ids ``[…]`` → ``[… d_model]``, without learned positions."""
        embedded: Tensor = self.embedding(ids)
        return embedded

    def embed_written(self, ids: Tensor) -> Tensor:
        """Ids that the model wrote ``[…]`` → ``[… d_model]``; some families feed another row when the latent token is written."""
        if self.family.latent_read_as is not None and self.ids.latent is not None:
            ids = ids.masked_fill(ids == self.ids.latent, self.family.latent_read_as)
        return self.embed(ids)

    def project(self, h: Tensor) -> Tensor:
        """Post-norm hidden state ``[… d_model]`` → z ``[… d_model]``, h itself where there is no projection, one vector in a pause twin.

        Contiguous input: strided slices are up to 1,200× slower.
        """
        z: Tensor = self.projection(h.contiguous())
        return z

    def unembed(self, resid: Tensor) -> Tensor:
        """Residual stream before the final norm ``[… d_model]`` → logits ``[… vocab]``."""
        logits: Tensor = self.lm_head(self.final_norm(resid.contiguous()))
        return logits

    def output_rows(self, ids: Tensor) -> Tensor:
        """Rows of lm_head ``[token]`` → ``[token d_model]``, float32: what a post-norm hidden state is multiplied with."""
        weight = self.lm_head.weight
        assert isinstance(weight, Tensor)
        return weight.detach()[ids.to(self.device)].float()

    def head_outputs(self, layer: int) -> Tensor:
        """``[head d_head d_model]``, float32: what the values that a head attends to are multiplied with."""
        module = self.architecture.part(self.blocks[layer], self.architecture.output)
        weight: Tensor = module.weight.detach().float()
        rows = weight if isinstance(module, Conv1D) else weight.T
        return rows.reshape(self.n_heads, self.d_head, self.d_model)

    @cached_property
    def n_layers(self) -> int:
        return len(self.blocks)

    @property
    def d_model(self) -> int:
        return self.config.hidden_size

    @property
    def n_heads(self) -> int:
        return self.config.num_attention_heads

    @property
    def n_kv_heads(self) -> int:
        return self.config.num_key_value_heads

    @property
    def d_head(self) -> int:
        return self.config.head_dim

    @property
    def vocab_size(self) -> int:
        return self.config.vocab_size

    @property
    def max_positions(self) -> int:
        return self.config.max_position_embeddings

    @cached_property
    def parameters_count(self) -> int:
        """Weights, shared ones counted once."""
        parameters = [*self.hf.parameters(), *self.projection.parameters()]
        return sum({p.data_ptr(): p.numel() for p in parameters}.values())

    def build_prompt(self, question: str) -> list[int]:
        """Ids of the whole prompt, bot included. Raises InputError when it is blank or too long."""
        return build_prompt(self.tokenizer, self.ids, self.frame, question, self.spec.suffix)

    def as_read(self, question: str) -> str:
        """The question's text as this model reads it. Raises InputError when it is blank or too long."""
        return as_read(self.frame, question, self.spec.suffix)

    @property
    def frame(self) -> Frame:
        return FRAMES[self.spec.prompt_format]

    @property
    def lead(self) -> str:
        """What an answer begins with, before the number."""
        return self.frame.lead if self.spec.lead is None else self.spec.lead

    @property
    def masked(self) -> tuple[int, ...]:
        """Ids that an answer never writes."""
        return (*((self.ids.eot,) if self.family.masks_eot else ()), *self.ids.padding)

    @property
    def after_latents(self) -> list[int]:
        """Ids fed after the last pass: eot, and eos in the ``paper-eos`` format."""
        return after_latents(self.ids, self.frame)

    def decode(self, ids: list[int]) -> str:
        """Text of generated ids, special tokens left out."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def token_text(self, token_id: int) -> str:
        """One token as text; the family's own by name even when the tokenizer does not know them."""
        if token_id not in self._token_texts:
            self._token_texts[token_id] = str(self.tokenizer.decode([token_id]))
        return self._token_texts[token_id]

    @cached_property
    def _token_texts(self) -> dict[int, str]:
        return {token: name for name, token in self.token_names.items()}

    @cached_property
    def token_names(self) -> dict[str, int]:
        """Ids of bot, eot and the latent token by what the family calls them."""
        ids = {"bot": self.ids.bot, "eot": self.ids.eot, "latent": self.ids.latent}
        found = {added.name: ids.get(added.role) for added in self.family.added}
        return {name: token for name, token in found.items() if token is not None}
