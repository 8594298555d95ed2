"""What the families' public code wrote about the checkpoints in tests/parity/fixtures: prompts, answers, settings."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from codi_core.engine.engine import Engine
from codi_core.values.model import RolloutConfig
from tests.checkpoints import FIXTURES, load

FAMILY = {
    "coconut-gpt2": "coconut",
    "coconut-llama": "coconut",
    "codi-sharded-bin": "codi",
    "codi-sharded-safetensors": "codi",
    "dilgren-multimode-gpt2": "codi-multimode",
    "dilgren-multimode-llama": "codi-multimode",
    "gpt2-zhenyi4": "codi",
    "latenttts-coconut": "latenttts-coconut",
    "latenttts-codi": "latenttts-codi",
    "llama-cywinski": "codi",
    "llama-zhenyi4": "codi",
    "simcot-coconut": "coconut",
    "simcot-codi-gpt2": "codi",
    "simcot-codi-llama": "codi",
}
NAMES = sorted(FAMILY)
MODES = {"latent": "latent", "explicit": "verbalized", "direct": "direct"}
"""Ours and what the multi-mode fixtures call it."""


@cache
def reference(name: str) -> dict[str, Any]:
    return json.loads((FIXTURES / name / "answers.json").read_text())


def results(name: str, mode: str = "latent") -> list[dict[str, Any]]:
    return [row for row in reference(name)["results"] if row.get("mode", "latent") == MODES[mode]]


def config(name: str) -> RolloutConfig:
    meta = reference(name)["meta"]
    return RolloutConfig(meta["num_latent"], meta.get("answer_tokens_max", meta["max_new_tokens"]))


def engine_on(name: str, **request: Any) -> Engine:
    alpha = reference(name)["meta"].get("lora_alpha")
    return Engine(load(FIXTURES / name / "checkpoint", **{"base": str(FIXTURES / name / "base"), "lora_alpha": alpha, **request}))


def answer_ids(row: dict[str, Any], eos: int) -> list[int]:
    """Theirs, without the eos that ends them: some of the codes record it."""
    ids = row["answer_ids"]
    return ids[:-1] if ids[-1] == eos and row.get("stopped_by_eos", True) else ids
