"""A base model's ``config.json`` as numbers, under transformers' names and with its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from codi_core.errors import ModelError

GPT2_NAMES = {
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "max_position_embeddings": "n_positions",
    "intermediate_size": "n_inner",
    "norm_eps": "layer_norm_epsilon",
    "hidden_act": "activation_function",
}
"""GPT-2's own spelling of what the others spell as here."""
POSITIONS = {"llama": 2048, "qwen3": 32_768, "gpt2": 1024}
"""Where a config does not say, by ``model_type``."""


@dataclass(frozen=True)
class Config:
    """What decides shapes and arithmetic."""

    model_type: str
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    max_position_embeddings: int
    norm_eps: float
    hidden_act: str
    attention_bias: bool
    mlp_bias: bool
    scaled_by_head: bool
    """Scores are divided by √head_dim; only GPT-2 may say no."""
    scaled_by_layer: bool
    """And by the number of the layer, from 1; only GPT-2 may say so."""
    rope: Mapping[str, Any]
    """``rope_type``, ``rope_theta`` and what the type needs."""
    given: Mapping[str, Any] = field(repr=False)
    """The file, with this vocabulary."""


def read_config(base_config: Mapping[str, Any], vocab_size: int) -> Config:
    """Raises ModelError for a value that is missing or cannot be."""
    kind = str(base_config["model_type"])
    read = _Reader(base_config, GPT2_NAMES if kind == "gpt2" else {"norm_eps": "rms_norm_eps"})
    width, heads = read.whole("hidden_size"), read.whole("num_attention_heads")
    if width % heads:
        raise ModelError(f"The base config cannot be used: hidden_size {width} is not a multiple of {heads} attention heads.")
    return Config(
        model_type=kind,
        vocab_size=vocab_size,
        hidden_size=width,
        num_hidden_layers=read.whole("num_hidden_layers"),
        num_attention_heads=heads,
        num_key_value_heads=heads if kind == "gpt2" else read.whole("num_key_value_heads", heads),
        head_dim=width // heads if kind == "gpt2" else read.whole("head_dim", 128 if kind == "qwen3" else width // heads),
        intermediate_size=read.whole("intermediate_size", 4 * width if kind == "gpt2" else None),
        max_position_embeddings=read.whole("max_position_embeddings", POSITIONS[kind]),
        norm_eps=read.number("norm_eps", 1e-5 if kind == "gpt2" else 1e-6),
        hidden_act=str(read.found("hidden_act", "gelu_new" if kind == "gpt2" else "silu")),
        attention_bias=bool(read.found("attention_bias", False)),
        mlp_bias=bool(read.found("mlp_bias", False)),
        scaled_by_head=bool(read.found("scale_attn_weights", True)),
        scaled_by_layer=bool(read.found("scale_attn_by_inverse_layer_idx", False)),
        rope={} if kind == "gpt2" else _rope(read),
        given={**base_config, "vocab_size": vocab_size, "tie_word_embeddings": False, "pad_token_id": None},
    )


def _rope(read: _Reader) -> dict[str, Any]:
    """Older files have ``rope_theta`` and ``rope_scaling`` with a ``type``, newer ones have it all in ``rope_parameters``."""
    given = read.found("rope_scaling", None) or read.found("rope_parameters", {})
    if not isinstance(given, Mapping):
        raise ModelError(f"The base config cannot be used: its rotary settings are {given!r}, expected an object.")
    length = read.whole("max_position_embeddings", POSITIONS["llama"])
    read = _Reader({"original_max_position_embeddings": length, **read.values, **given}, {})
    kind = str(given.get("rope_type") or given.get("type") or "default")
    numbers = {"llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"), "linear": ("factor",)}
    return {
        "rope_type": kind,
        "rope_theta": read.number("rope_theta", 10_000.0),
        **{name: read.number(name) for name in numbers.get(kind, ())},
    }


@dataclass(frozen=True)
class _Reader:
    values: Mapping[str, Any]
    names: Mapping[str, str]

    def found(self, name: str, default: Any) -> Any:
        """What the file says; a null says nothing. The spelling of older files counts too."""
        spellings = (self.names.get(name, name), name)
        return next((self.values[spelled] for spelled in spellings if self.values.get(spelled) is not None), default)

    def number(self, name: str, default: float | None = None) -> Any:
        value = self.found(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise ModelError(f"The base config cannot be used: {self.names.get(name, name)} is {value!r}, expected a positive number.")
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        value = self.number(name, default)
        if not isinstance(value, int):
            raise ModelError(f"The base config cannot be used: {self.names.get(name, name)} is {value!r}, expected a whole number.")
        return value
