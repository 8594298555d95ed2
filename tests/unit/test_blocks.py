"""Our blocks against transformers' own: the same bits, at every depth."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM

from codi_core.engine.taps import Recording
from codi_core.errors import ModelError
from codi_core.models.architectures import ARCHITECTURES
from codi_core.models.blocks import Rotary, causal_attention
from codi_core.models.config import read_config
from codi_core.models.presets import base_config, known_bases
from tests.checkpoints import BASE_CONFIGS, in_transformers, load, tensors_of, write


def _plain(module: Any, query: Any, key: Any, value: Any, mask: Any, scaling: float, **_: Any) -> Any:
    return causal_attention(query, key, value, scaling), None


AttentionInterface.register("plain", _plain)
_SCALED = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
CONFIGS: dict[str, dict[str, Any]] = {
    **BASE_CONFIGS,
    "llama-scaled": {**BASE_CONFIGS["llama"], "rope_scaling": _SCALED},
    "llama-linear": {**BASE_CONFIGS["llama"], "rope_scaling": {"type": "linear", "factor": 2.0}},
    "gpt2-by-layer": {
        **BASE_CONFIGS["gpt2"],
        "scale_attn_by_inverse_layer_idx": True,
        "activation_function": "gelu",
        "layer_norm_epsilon": 1e-3,
    },
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", CONFIGS)
def test_hidden_states_of_every_depth_are_transformers_own(name: str, dtype: str, tmp_path: Path) -> None:
    family = CONFIGS[name]["model_type"]
    assert set(ARCHITECTURES) == {config["model_type"] for config in CONFIGS.values()}
    model = load(write(tmp_path, tensors_of(family), family, config=CONFIGS[name]), dtype=dtype)
    inputs = model.embed(torch.arange(40).reshape(2, 20) % 30)
    with Recording(model.blocks) as ours, torch.inference_mode():
        hidden = model.body(inputs)
    with torch.inference_mode():
        theirs = in_transformers(model, "plain")(inputs_embeds=inputs, output_hidden_states=True, use_cache=False)
    assert all(torch.equal(own, other) for own, other in zip(ours.depths[:-1], theirs.hidden_states[:-1], strict=True))
    assert torch.equal(hidden, theirs.hidden_states[-1])
    assert torch.equal(model.lm_head(hidden), theirs.logits)


@pytest.mark.parametrize("base", known_bases())
def test_tensors_and_frequencies_of_known_bases_are_transformers_own(base: str) -> None:
    given = {**base_config(base), "num_hidden_layers": 1, "n_layer": 1, "vocab_size": 8}
    config = read_config(given, 8)
    with torch.device("meta"):
        ours = ARCHITECTURES[config.model_type].make_body(config)
        whole = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config.given))
    theirs = whole.get_submodule(ARCHITECTURES[config.model_type].body)
    assert [(name, value.shape) for name, value in ours.state_dict().items()] == [
        (name, value.shape) for name, value in theirs.state_dict().items()
    ]
    if config.rope:
        rotary = type(theirs.rotary_emb)(config=AutoConfig.for_model(**config.given))
        assert torch.equal(Rotary(config).inv_freq, rotary.inv_freq) and Rotary(config).scale == rotary.attention_scaling


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_size": None}, "hidden_size is None"),
        ({"hidden_size": "32"}, "hidden_size is '32'"),
        ({"num_attention_heads": 5}, "not a multiple of 5"),
        ({"num_hidden_layers": 2.5}, "whole number"),
        ({"rope_scaling": [1]}, "expected an object"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "low_freq_factor is None"),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "default, linear, llama3"),
        ({"hidden_act": "swish2"}, "silu"),
    ],
)
def test_a_config_that_cannot_be_used_says_why(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=words):
        load(write(tmp_path, tensors_of(), config={**BASE_CONFIGS["llama"], **change}))
