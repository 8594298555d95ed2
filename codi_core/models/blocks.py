"""The transformers that checkpoints are of: transformers' modules, names and arithmetic, bit for bit, without its own model classes.

Those bring training, generation and sharding along: importing them takes twice as long as importing torch, and every call of theirs goes
through wrappers that nothing here needs. ``tests/unit/test_blocks.py`` compares every architecture with the original.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from codi_core.errors import ModelError
from codi_core.models.config import Config


class KVCache(Protocol):
    """What a call brings along to keep keys and values, and to attend over more than the call's own tokens."""

    def update(self, keys: Tensor, values: Tensor, layer: int) -> None:
        """Of the call's tokens, ``[row kv_head q d_head]``, rotated."""

    def attend(self, layer: int, query: Tensor, scaling: float) -> Tensor:
        """Query ``[row head q d_head]`` → ``[row q head d_head]``, over everything cached up to the newest token."""


def causal_attention(query: Tensor, keys: Tensor, values: Tensor, scaling: float) -> Tensor:
    """Query ``[row head t d_head]``, keys and values ``[row kv_head t d_head]`` of a whole sequence → ``[row t head d_head]``.

    Padding on the right is never looked at.
    """
    grouped = query.shape[1] != keys.shape[1]
    output = F.scaled_dot_product_attention(query, keys, values, is_causal=query.shape[2] > 1, scale=scaling, enable_gqa=grouped)
    return output.transpose(1, 2)


def gelu_new(x: Tensor) -> Tensor:
    """The approximation GPT-2 was trained with, in the order of its operations."""
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"silu": F.silu, "gelu_new": gelu_new, "gelu": F.gelu, "relu": F.relu}


def activation(config: Config) -> Callable[[Tensor], Tensor]:
    """Raises ModelError for one that is not known here."""
    if config.hidden_act not in ACTIVATIONS:
        raise ModelError(f"The base config's activation is '{config.hidden_act}': supported are {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[config.hidden_act]


class Linear(nn.Linear):
    """Weights come from a checkpoint: drawing some first, on the meta device, would import torch's compiler."""

    def reset_parameters(self) -> None:
        """Nothing."""


class Embedding(nn.Embedding):
    """As `Linear`."""

    def reset_parameters(self) -> None:
        """Nothing."""


class CausalModel(nn.Module):
    """A body under its name, and the head."""

    def __init__(self, config: Config, name: str, body: type[Llama] | type[GPT2]) -> None:
        super().__init__()
        self.config = config
        self.add_module(name, body(config))
        self.lm_head = Linear(config.hidden_size, config.vocab_size, bias=False)


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(torch.float32)
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


class Rotary(nn.Module):
    """Angles of positions (arXiv 2104.09864); the frequencies are in no checkpoint."""

    inv_freq: Tensor
    """``[d_head/2]``, float32 in every dtype of the model."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        frequencies, self.scale = rotary_frequencies(config)
        self.register_buffer("inv_freq", frequencies, persistent=False)

    def forward(self, like: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Positions ``[row t]`` → cosines and sines ``[row t d_head]``, in the dtype and on the device of ``like``."""
        angles = positions[..., None].float() * self.inv_freq.to(like.device, torch.float32)
        angles = torch.cat([angles, angles], dim=-1)
        return (angles.cos() * self.scale).to(like.dtype), (angles.sin() * self.scale).to(like.dtype)


def rotary_frequencies(config: Config) -> tuple[Tensor, float]:
    """``[d_head/2]`` and what angles' cosines and sines are multiplied with. Raises ModelError for frequencies that change on the way."""
    rope = config.rope
    plain = 1.0 / (rope["rope_theta"] ** (torch.arange(0, config.head_dim, 2, dtype=torch.float, device="cpu") / config.head_dim))
    match rope["rope_type"]:
        case "default":
            return plain, 1.0
        case "linear":
            return plain / rope["factor"], 1.0
        case "llama3":
            return _stretched(
                plain, rope["factor"], rope["low_freq_factor"], rope["high_freq_factor"], rope["original_max_position_embeddings"]
            ), 1.0
        case kind:
            raise ModelError(f"The base config's rotary frequencies are of type '{kind}': supported are default, linear, llama3.")


def _stretched(plain: Tensor, factor: float, low: float, high: float, length: float) -> Tensor:
    """As in Llama 3.1: slow frequencies divided by ``factor``, fast ones kept, smooth in between."""
    wavelengths = 2 * math.pi / plain
    stretched = torch.where(wavelengths > length / low, plain / factor, plain)
    smooth = (length / wavelengths - low) / (high - low)
    between = (1 - smooth) * stretched / factor + smooth * stretched
    is_between = ~(wavelengths < length / high) * ~(wavelengths > length / low)
    return torch.where(is_between, between, stretched)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return (x * cos) + (torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin)


class LlamaAttention(nn.Module):
    """Of Llama, and of Qwen3, which norms queries and keys of every head."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.layer, self.d_head, self.scaling = layer, config.head_dim, config.head_dim**-0.5
        width, own, shared = config.hidden_size, config.num_attention_heads * self.d_head, config.num_key_value_heads * self.d_head
        self.q_proj = Linear(width, own, bias=config.attention_bias)
        self.k_proj = Linear(width, shared, bias=config.attention_bias)
        self.v_proj = Linear(width, shared, bias=config.attention_bias)
        self.o_proj = Linear(own, width, bias=config.attention_bias)
        self.has_norms = config.model_type == "qwen3"
        if self.has_norms:
            self.q_norm = RMSNorm(self.d_head, config.norm_eps)
            self.k_norm = RMSNorm(self.d_head, config.norm_eps)

    def forward(self, x: Tensor, angles: tuple[Tensor, Tensor], cache: KVCache | None) -> Tensor:
        by_head = (*x.shape[:-1], -1, self.d_head)
        query, keys, values = self.q_proj(x).view(by_head), self.k_proj(x).view(by_head), self.v_proj(x).view(by_head)
        if self.has_norms:
            query, keys = self.q_norm(query), self.k_norm(keys)
        query, keys = _rotated(query.transpose(1, 2), *angles), _rotated(keys.transpose(1, 2), *angles)
        output: Tensor = self.o_proj(_attended(self, query, keys, values.transpose(1, 2), cache))
        return output


def _attended(part: LlamaAttention | GPT2Attention, query: Tensor, keys: Tensor, values: Tensor, cache: KVCache | None) -> Tensor:
    """→ ``[row q d]``, the heads side by side."""
    if cache is None:
        output = causal_attention(query, keys, values, part.scaling)
    else:
        cache.update(keys, values, part.layer)
        output = cache.attend(part.layer, query, part.scaling)
    return output.reshape(*output.shape[:2], -1).contiguous()


class LlamaMLP(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate_proj = Linear(config.hidden_size, config.intermediate_size, bias=config.mlp_bias)
        self.up_proj = Linear(config.hidden_size, config.intermediate_size, bias=config.mlp_bias)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size, bias=config.mlp_bias)
        self.act = activation(config)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.down_proj(self.act(self.gate_proj(x)) * self.up_proj(x))
        return output


class LlamaBlock(nn.Module):
    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.self_attn = LlamaAttention(config, layer)
        self.mlp = LlamaMLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.norm_eps)

    def forward(self, x: Tensor, angles: tuple[Tensor, Tensor], cache: KVCache | None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), angles, cache)
        return x + self.mlp(self.post_attention_layernorm(x))  # type: ignore[no-any-return]


class Llama(nn.Module):
    """Llama and Qwen3."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embed_tokens = Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([LlamaBlock(config, layer) for layer in range(config.num_hidden_layers)])
        self.norm = RMSNorm(config.hidden_size, config.norm_eps)
        self.rotary_emb = Rotary(config)

    def forward(self, x: Tensor, positions: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """Embeddings ``[row t d_model]`` at ``positions`` ``[row t]`` (from 0 without) → post-norm hidden states, same shape."""
        angles = self.rotary_emb(x, _positions(x) if positions is None else positions)
        angles = (angles[0].unsqueeze(1), angles[1].unsqueeze(1))
        for block in self.layers:
            x = block(x, angles, cache)
        return self.norm(x)  # type: ignore[no-any-return]


def _positions(x: Tensor) -> Tensor:
    return torch.arange(x.shape[1], device=x.device)[None]


class Conv1D(nn.Module):
    """A linear layer whose weight is ``[in out]``."""

    def __init__(self, n_out: int, n_in: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(n_in, n_out)), nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        flat = torch.addmm(self.bias, x.view(-1, x.shape[-1]), self.weight)
        return flat.view(*x.shape[:-1], -1)


class GPT2Attention(nn.Module):
    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.layer, self.d_head = layer, config.head_dim
        self.scaling = (config.head_dim**-0.5 if config.scaled_by_head else 1.0) / (layer + 1.0 if config.scaled_by_layer else 1.0)
        self.c_attn = Conv1D(3 * config.hidden_size, config.hidden_size)
        self.c_proj = Conv1D(config.hidden_size, config.hidden_size)

    def forward(self, x: Tensor, cache: KVCache | None) -> Tensor:
        parts = self.c_attn(x).split(x.shape[-1], dim=2)
        query, keys, values = (part.view(*x.shape[:-1], -1, self.d_head).transpose(1, 2) for part in parts)
        output: Tensor = self.c_proj(_attended(self, query, keys, values, cache))
        return output


class GPT2MLP(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.c_fc = Conv1D(config.intermediate_size, config.hidden_size)
        self.c_proj = Conv1D(config.hidden_size, config.intermediate_size)
        self.act = activation(config)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.c_proj(self.act(self.c_fc(x)))
        return output


class GPT2Block(nn.Module):
    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)
        self.attn = GPT2Attention(config, layer)
        self.ln_2 = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)
        self.mlp = GPT2MLP(config)

    def forward(self, x: Tensor, cache: KVCache | None) -> Tensor:
        x = self.attn(self.ln_1(x), cache) + x
        return x + self.mlp(self.ln_2(x))  # type: ignore[no-any-return]


class GPT2(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.wte = Embedding(config.vocab_size, config.hidden_size)
        self.wpe = Embedding(config.max_position_embeddings, config.hidden_size)
        self.h = nn.ModuleList([GPT2Block(config, layer) for layer in range(config.num_hidden_layers)])
        self.ln_f = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)

    def forward(self, x: Tensor, positions: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """As `Llama.forward`."""
        x = x + self.wpe(_positions(x) if positions is None else positions)
        for block in self.h:
            x = block(x, cache)
        return self.ln_f(x)  # type: ignore[no-any-return]
