"""Tokenizers from a folder: the fast file, or the vocabulary and merges of a slow one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from codi_core.disk import sha256_of
from codi_core.errors import ModelError
from codi_core.models.foreign import check_content

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FAST_FILE = "tokenizer.json"
SLOW_FILES = ("vocab.json", "merges.txt")
SLOW_CLASSES = {"gpt2": "GPT2Tokenizer", "qwen3": "Qwen2Tokenizer"}
"""By the base config's ``model_type``: what cuts text into the pieces that merges.txt joins is not in these files."""


def tokenizer_files(folder: Path) -> tuple[Path, ...]:
    """The files that decide how text is cut; empty when the folder has no tokenizer."""
    if _has(folder / FAST_FILE):
        return (folder / FAST_FILE,)
    slow = tuple(folder / name for name in SLOW_FILES)
    return slow if all(map(_has, slow)) else ()


def tokenizer_sha(folder: Path) -> str:
    """SHA-256 (hex) of the tokenizer's file, or of the hashes of its files."""
    hashes = [sha256_of(path) for path in tokenizer_files(folder)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def load_tokenizer(folder: Path, model_type: str) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder, without running any code of it. Raises ModelError when its files are absent or broken."""
    files = tokenizer_files(folder)
    if not files:
        raise ModelError(_absent(folder))
    if files[0].name != FAST_FILE and model_type not in SLOW_CLASSES:
        raise ModelError(
            f"{folder} has {' and '.join(SLOW_FILES)} but a {model_type} model needs {FAST_FILE}: give the base's folder as --base."
        )
    import transformers  # here, because naming a family or a base needs none of it

    name = "PreTrainedTokenizerFast" if files[0].name == FAST_FILE else SLOW_CLASSES[model_type]
    try:
        tokenizer: PreTrainedTokenizerFast = getattr(transformers, name).from_pretrained(folder, clean_up_tokenization_spaces=False)
    except Exception as error:  # the tokenizers library raises bare Exception for a malformed file
        for file in files:
            check_content(file, is_json=True)
        raise ModelError(f"The tokenizer in {folder} cannot be read: {error}") from error
    return tokenizer


def _has(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _absent(folder: Path) -> str:
    wanted = f"No {FAST_FILE} in {folder} (nor {' and '.join(SLOW_FILES)})"
    if (folder / "tokenizer.model").is_file():
        wanted += "; its tokenizer.model is of the old sentencepiece format, which is not read"
    return f"{wanted}: give the folder of the base model with --base."
