"""Checkpoint files: read without running code, LoRA merged, every tensor accounted for.

Two forms of one format (facts: zhenyi4/codi, cywinski/codi). With LoRA the names start with ``codi.base_model.model.`` as peft writes
them; a fully fine-tuned model starts with ``codi.`` alone. The projection is ``prj.*`` in both.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from codi_core.errors import CheckpointError

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""In order of preference: safetensors cannot hold code."""
LORA_PREFIX = "codi.base_model.model."
PLAIN_PREFIX = "codi."
HEAD = "lm_head.weight"
CODI_MODULES = ("codi.", "prj.")


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of one weight file (memory-mapped), by the base model's own names."""

    path: Path
    body: Mapping[str, Tensor]
    """Names after the prefix; a LoRA module has ``<module>.base_layer.<name>`` and ``<module>.lora_{A,B}.default.weight``."""
    projection: Mapping[str, Tensor]
    """Names after ``prj.``; empty when the checkpoint has no projection."""
    has_lora: bool


def find_weights(folder: Path) -> Path:
    """Raises CheckpointError when the folder holds no weight file."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(f"No weights in {folder}: expected {' or '.join(WEIGHT_FILES)}.")


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file, computed once per path, size and modification time."""
    stat = path.stat()
    return _sha256(path.resolve(), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_checkpoint(path: Path) -> Checkpoint:
    """Raises CheckpointError for a broken or unsafe file, and for names outside the format."""
    tensors = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    unknown = [name for name in tensors if not name.startswith(CODI_MODULES)]
    if unknown:
        raise CheckpointError(f"{path.name} is not a CODI checkpoint: unknown tensors {_listed(unknown)} (expected codi.* and prj.*).")
    has_lora = any(name.startswith(LORA_PREFIX) for name in tensors)
    prefix = LORA_PREFIX if has_lora else PLAIN_PREFIX
    strays = [name for name in tensors if not name.startswith((prefix, "prj."))]
    if strays:
        raise CheckpointError(f"{path.name} mixes LoRA ({LORA_PREFIX}*) and plain names: {_listed(strays)}.")
    return Checkpoint(
        path=path,
        body={name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)},
        projection={name.removeprefix("prj."): tensor for name, tensor in tensors.items() if name.startswith("prj.")},
        has_lora=has_lora,
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open is no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is truncated or not a safetensors file ({error}): download it again.") from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than tensors and was not opened: a pickle can run code. "
            "Ask its author for a safetensors file, or convert it where you trust it."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is truncated or not a file written by torch.save ({error}): download it again.") from error
    if not isinstance(tensors, dict) or not all(isinstance(name, str) and isinstance(t, Tensor) for name, t in tensors.items()):
        raise CheckpointError(f"{path} does not hold a state dict (tensor names to tensors).")
    return tensors


class Projection(nn.Module):
    """``prj`` of CODI: h → z. Linear, exact GELU, Linear, LayerNorm (``ln``, absent in some checkpoints); dropout only in training."""

    def __init__(self, d_model: int, d_hidden: int, layer_norm: bool) -> None:
        super().__init__()
        self.add_module("1", nn.Linear(d_model, d_hidden))
        self.add_module("2", nn.GELU())
        self.add_module("3", nn.Linear(d_hidden, d_model))
        if layer_norm:
            self.add_module("ln", nn.LayerNorm(d_model))

    def forward(self, h: Tensor) -> Tensor:
        for module in self.children():
            h = module(h)
        return h


@dataclass(frozen=True)
class Target:
    """What the merged weights are made into."""

    dtype: torch.dtype
    device: torch.device
    lora_alpha: float
    tied: bool
    """The base config ties the head to the embedding, so a file without a head is complete."""


def load_body(checkpoint: Checkpoint, model: nn.Module, embed: str, target: Target) -> None:
    """Fill ``model``, which gives the expected names and shapes, with W + alpha/r · B @ A (in float32, then ``target.dtype``).

    ``embed`` names the embedding's weight. Raises CheckpointError naming every missing, unknown, misshapen and non-finite tensor.
    """
    ledger = _Ledger(checkpoint.path, checkpoint.body, target.device)
    state: dict[str, Tensor] = {}
    for name, expected in model.state_dict().items():
        if name == HEAD and HEAD not in checkpoint.body and target.tied:
            continue
        is_conv1d = isinstance(model.get_submodule(name.rpartition(".")[0]), Conv1D)
        weight = ledger.take_merged(name, expected.shape, target.lora_alpha, is_conv1d)
        if weight is not None:
            state[name] = weight.to(target.dtype, copy=True)
    ledger.close()
    if HEAD not in state or torch.equal(state[HEAD], state[embed]):
        state[HEAD] = state[embed]  # one storage
    model.load_state_dict(state, assign=True)


def load_projection(checkpoint: Checkpoint, d_model: int, target: Target) -> nn.Module:
    """The projection, or the identity when the checkpoint has none. Raises CheckpointError as `load_body` does."""
    if not checkpoint.projection:
        return nn.Identity()
    first = checkpoint.projection.get("1.weight")
    d_hidden = first.shape[0] if first is not None else d_model
    has_norm = any(name.startswith("ln.") for name in checkpoint.projection)
    with torch.device("meta"):
        projection = Projection(d_model, d_hidden, has_norm).eval().requires_grad_(False)
    ledger = _Ledger(checkpoint.path, {f"prj.{name}": tensor for name, tensor in checkpoint.projection.items()}, target.device)
    taken = {name: ledger.take(f"prj.{name}", expected.shape) for name, expected in projection.state_dict().items()}
    ledger.close()
    state = {name: tensor.to(target.dtype, copy=True) for name, tensor in taken.items() if tensor is not None}
    projection.load_state_dict(state, assign=True)
    return projection


class _Ledger:
    """Strict accounting: every tensor of a file is taken once, and everything wrong is reported together."""

    def __init__(self, path: Path, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        self.path = path
        self.device = device
        """Where tensors are taken to, so that checks and merging run there."""
        self.unused = dict(tensors)
        self.missing: list[str] = []
        self.misshapen: list[str] = []
        self.not_finite: list[str] = []

    def take(self, name: str, shape: torch.Size | None) -> Tensor | None:
        """None (and an entry in the books) when absent or of another shape; ``shape`` None accepts any matrix."""
        tensor = self.unused.pop(name, None)
        if tensor is None:
            self.missing.append(name)
            return None
        if tensor.ndim != 2 if shape is None else tensor.shape != shape:
            expected = "a matrix" if shape is None else tuple(shape)
            self.misshapen.append(f"{name} {tuple(tensor.shape)}, expected {expected}")
            return None
        tensor = tensor.to(self.device)
        if not _is_finite(tensor):
            self.not_finite.append(name)
        return tensor

    def take_merged(self, name: str, shape: torch.Size, alpha: float, is_conv1d: bool) -> Tensor | None:
        """A plain tensor, or the base layer's weight plus its LoRA product: A [r in], B [out r], Conv1D weights are [in out]."""
        module, _, leaf = name.rpartition(".")
        wrapped = f"{module}.base_layer.{leaf}"
        down_name, up_name = f"{module}.lora_A.default.weight", f"{module}.lora_B.default.weight"
        if leaf != "weight" or not {down_name, up_name} & self.unused.keys():
            return self.take(wrapped if wrapped in self.unused else name, shape)
        weight, down, up = self.take(wrapped, shape), self.take(down_name, None), self.take(up_name, None)
        if weight is None or down is None or up is None:
            return None
        expected = (shape[1], shape[0]) if is_conv1d else tuple(shape)
        if down.shape[0] != up.shape[1] or (up.shape[0], down.shape[1]) != expected:
            self.misshapen.append(f"{down_name} {tuple(down.shape)} with {up_name} {tuple(up.shape)}, expected a product {expected}")
            return None
        left, right = (down.T, up.T) if is_conv1d else (up, down)
        return torch.addmm(weight.float(), left.float(), right.float(), alpha=alpha / down.shape[0])

    def close(self) -> None:
        """Raises CheckpointError unless everything was there, used and sound."""
        books = {
            "missing": self.missing,
            "unknown": list(self.unused),
            "wrong shape": self.misshapen,
            "NaN or infinite": self.not_finite,
        }
        found = [f"{problem}: {_listed(names)}" for problem, names in books.items() if names]
        if found:
            raise CheckpointError(f"{self.path} does not fit its base model: {'; '.join(found)}. Check the base (--base) and the file.")


def _is_finite(tensor: Tensor) -> bool:
    """One pass that vectorises: NaN and infinity survive a sum. Only a sum that overflows needs the slow look at every element."""
    return bool(torch.isfinite(tensor.sum(dtype=torch.float32))) or bool(torch.isfinite(tensor).all())


def _listed(names: Iterable[str], limit: int = 8) -> str:
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
