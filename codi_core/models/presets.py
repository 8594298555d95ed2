"""Models known by name, and what their files cannot say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codi_core.errors import ModelError
from codi_core.types import PromptFormat, RopeRounding

BASES_DIR = Path(__file__).parent / "bases"


@dataclass(frozen=True)
class Preset:
    """None in a field means: as the checkpoint's own files say (see load)."""

    hub_id: str | None = None
    """None: the model ships with this repository."""
    revision: str | None = None
    base: str | None = None
    """Name of a config in ``bases/``: checkpoints on the hub carry weights and tokenizer, but no config.json."""
    prompt_format: PromptFormat | None = None
    lora_alpha: float | None = None
    rope_rounding: RopeRounding | None = None


PRESETS: dict[str, Preset] = {
    "bundled": Preset(),
    "bundled-steps": Preset(),
    "codi-llama1b-answer-only": Preset(
        "bcywinski/codi_llama1b-answer_only",
        "315ec5cb5f9a071f950edb8455ca5c9a5f59691e",
        "Llama-3.2-1B-Instruct",
        "answer-only",
        32,
        "bf16",
    ),
    "codi-llama1b": Preset("zen-E/CODI-llama3.2-1b-Instruct", None, "Llama-3.2-1B-Instruct", "paper", 32, "bf16"),
    "codi-gpt2": Preset("zen-E/CODI-gpt2", None, "gpt2", "paper", 32, "none"),
    "codi-qwen3-8b": Preset("cds-jb/codi_qwen3-8b-answer_only", None, "Qwen3-8B", "answer-only", 32, "bf16"),
}


def known_bases() -> list[str]:
    return sorted(path.stem for path in BASES_DIR.glob("*.json"))


def base_config(base: str) -> dict[str, Any]:
    """Config of a base model by name (``bases/``) or from a folder. Raises ModelError naming both ways."""
    path = BASES_DIR / f"{base}.json" if base in known_bases() else Path(base).expanduser() / "config.json"
    if not path.is_file():
        raise ModelError(f"Base '{base}' is neither a known base ({', '.join(known_bases())}) nor a folder with a config.json.")
    return read_json_object(path)


def read_json_object(path: Path) -> dict[str, Any]:
    """Raises ModelError when the file is not a JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds {type(value).__name__}, expected a JSON object.")
    return value
