"""Sorted tensors to weights: LoRA merged, one storage for tied pairs, every tensor accounted for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from codi_core.errors import CheckpointError
from codi_core.models.blocks import Conv1D, Linear
from codi_core.models.files import listed, release
from codi_core.models.lora import REPLACED, Lora, Scaling, lora_of
from codi_core.models.names import HEAD, WHOLE, Sorted
from codi_core.values.model import LedgerEntry

PART = 1 << 22
"""Numbers that are checked at a time."""


class Projection(nn.Module):
    """``prj`` of CODI: h → z. Linear, exact GELU, Linear, LayerNorm (``ln``, absent in some checkpoints); dropout only in training."""

    def __init__(self, d_model: int, d_hidden: int, layer_norm: bool) -> None:
        super().__init__()
        self.add_module("1", Linear(d_model, d_hidden))
        self.add_module("2", nn.GELU())
        self.add_module("3", Linear(d_hidden, d_model))
        if layer_norm:
            self.add_module("ln", nn.LayerNorm(d_model))

    def forward(self, h: Tensor) -> Tensor:
        for module in self.children():
            h = module(h)
        return h


class Pause(nn.Module):
    """``pause`` of a pause twin: the input of every pass is one learned vector, whatever h is."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_model))

    def forward(self, h: Tensor) -> Tensor:
        return self.weight.expand_as(h)


@dataclass(frozen=True)
class Target:
    """What the merged weights are made into."""

    dtype: torch.dtype
    device: torch.device
    scaling: Scaling
    tied: bool
    """The base config ties the head to the embedding, so a file with one of the two is complete."""


def ranks_of(checkpoint: Sorted) -> dict[str, int]:
    """Of every LoRA product, by module; empty for a file without LoRA."""
    found = lora_of(checkpoint.path, checkpoint.body)
    return {module: int(checkpoint.body[lora.down].shape[0]) if lora.down else 0 for module, lora in found.items()}


def embedding_rows(checkpoint: Sorted, embed: str, tied: bool) -> int | None:
    """Rows of the embedding ``embed`` (a module's name); of the head when only that is in the file. None when neither is."""
    modules = (embed, HEAD.removesuffix(".weight")) if tied else (embed,)
    for module in modules:
        for name in (f"{module}.weight", f"{module}.base_layer.weight", f"{module}.original_module.weight"):
            if name in checkpoint.body:
                return int(checkpoint.body[name].shape[0])
    return None


def load_body(checkpoint: Sorted, model: nn.Module, embed: str, target: Target) -> list[LedgerEntry]:
    """Fill ``model``, which gives the expected names and shapes, with W + scale · B @ A (in float32, then ``target.dtype``).

    ``embed`` names the embedding. Returns what became of every tensor. Raises CheckpointError naming every missing, unknown, misshapen
    and non-finite tensor.
    """
    ledger = _Ledger(checkpoint, checkpoint.body, target)
    expected = model.state_dict()
    pair = (f"{embed}.weight", HEAD)
    held = [name for name in pair if ledger.holds(name)]
    if target.tied and len(held) == 1 and ledger.borrow(held[0], *(set(pair) - set(held))):
        held = list(pair)
    state: dict[str, Tensor] = {}
    for name, tensor in expected.items():
        if target.tied and name in pair and len(held) == 1 and name not in held:
            continue
        if name == HEAD and ledger.take_twin(*pair):
            continue
        weight = ledger.take_merged(name, tensor.shape, isinstance(model.get_submodule(name.rpartition(".")[0]), Conv1D))
        if weight is not None:
            state[name] = weight.to(target.dtype, copy=True)
        ledger.release()
    ledger.close(expected)
    _check_copies(checkpoint, state[pair[0]] if pair[0] in state else state[HEAD])
    found = [name for name in pair if name in state]
    if len(found) == 1 or torch.equal(state[pair[0]], state[HEAD]):
        state[pair[0]] = state[HEAD] = state[found[0]]  # one storage
    elif target.tied:
        ledger.say(HEAD, "used: the base ties it to the embedding, from which it differs here")
    model.load_state_dict(state, assign=True)
    return ledger.entries


def load_projection(checkpoint: Sorted, feeds_back: bool, d_model: int, target: Target) -> tuple[nn.Module, list[LedgerEntry]]:
    """What makes a pass's input of h: the identity when the checkpoint has nothing for it. Raises CheckpointError as `load_body` does."""
    if not checkpoint.projection:
        return nn.Identity(), []
    with torch.device("meta"):
        projection = (_projection(checkpoint, d_model) if feeds_back else Pause(d_model)).eval().requires_grad_(False)
    prefix = checkpoint.projection_prefix
    ledger = _Ledger(checkpoint, {f"{prefix}{name}": tensor for name, tensor in checkpoint.projection.items()}, target)
    expected = {f"{prefix}{name}": tensor for name, tensor in projection.state_dict().items()}
    taken = {name: ledger.take_merged(name, tensor.shape, False) for name, tensor in expected.items()}
    ledger.close(expected)
    state = {name.removeprefix(prefix): tensor.to(target.dtype, copy=True) for name, tensor in taken.items() if tensor is not None}
    projection.load_state_dict(state, assign=True)
    return projection, ledger.entries


def _projection(checkpoint: Sorted, d_model: int) -> nn.Module:
    first = checkpoint.projection.get("1.weight")
    d_hidden = first.shape[0] if first is not None else d_model
    return Projection(d_model, d_hidden, any(name.startswith("ln.") for name in checkpoint.projection))


def _check_copies(checkpoint: Sorted, embedding: Tensor) -> None:
    for name, copy in checkpoint.copies.items():
        if copy.shape != embedding.shape or not torch.equal(copy.to(embedding.device, embedding.dtype), embedding):
            raise CheckpointError(f"{checkpoint.path.name}: {name} should be a copy of the input embedding and differs from it.")


class _Ledger:
    """Strict accounting: every tensor of a file is taken once, and everything wrong is reported together."""

    def __init__(self, checkpoint: Sorted, tensors: Mapping[str, Tensor], target: Target) -> None:
        self.path = checkpoint.path
        self.target = target
        self.file = dict(tensors)
        self.unused = dict(tensors)
        self.borrowed: set[str] = set()
        self.taken: list[Tensor] = []
        self.lora = lora_of(checkpoint.path, tensors)
        self.ranks = {module: tensors[lora.up].shape[-1] for module, lora in self.lora.items() if lora.up is not None}
        self.entries: list[LedgerEntry] = []
        self.problems: dict[str, list[str]] = {"missing": [], "unknown": [], "wrong shape": [], "NaN or infinite": [], "not weights": []}

    def holds(self, name: str) -> bool:
        return self._spelling(name) in self.unused

    def borrow(self, held: str, absent: str) -> bool:
        """Of a tied pair of which one was changed alone, by LoRA or by training it whole, the other's weight is the unchanged one, which
        files keep once: take it from there. False when the pair is one weight still.
        """
        module, other = held.rpartition(".")[0], absent.rpartition(".")[0]
        spellings = (f"{module}.base_layer.weight", f"{module}.original_module.weight", held)
        unchanged = next((self.file[name] for name in spellings if name in self.file), None)
        if unchanged is None or not ({module, other} & self.lora.keys() or self._saved_adapters(module)):
            return False
        self.file[absent] = self.unused[absent] = unchanged
        self.borrowed.add(absent)
        return True

    def say(self, name: str, use: str) -> None:
        """What became of a tensor that was taken."""
        self.entries = [LedgerEntry(name, use) if entry.name == name else entry for entry in self.entries]

    def _spelling(self, name: str) -> str:
        """How the file spells a weight: trained whole beside the original, wrapped by LoRA, or plain."""
        module, _, leaf = name.rpartition(".")
        whole = [f"{module}.modules_to_save.{adapter}.{leaf}" for adapter in self._saved_adapters(module)]
        spellings = (*whole, f"{module}.base_layer.{leaf}", f"{module}.original_module.{leaf}", name)
        wrapped = f"{module}.base_layer.{leaf}" if module in self.lora and leaf == "weight" and name not in self.unused else name
        return next((spelling for spelling in spellings if spelling in self.unused), wrapped)

    def _saved_adapters(self, module: str) -> list[str]:
        matches = (REPLACED.fullmatch(name) for name in self.unused if name.startswith(f"{module}.modules_to_save."))
        return [match["adapter"] for match in matches if match and match["adapter"]]

    def take(self, name: str, shape: torch.Size | None, use: str = "used") -> Tensor | None:
        """None (and an entry in the books) when absent or of another shape; ``shape`` None accepts any matrix."""
        tensor = self.unused.pop(name, None)
        if tensor is None:
            self.problems["missing"].append(name)
            return None
        if tensor.ndim != 2 if shape is None else tensor.shape != shape:
            expected = "a matrix" if shape is None else tuple(shape)
            self.problems["wrong shape"].append(f"{name} {tuple(tensor.shape)}, expected {expected}")
            return None
        if not tensor.is_floating_point() or tensor.itemsize == 1:
            self.problems["not weights"].append(f"{name} ({str(tensor.dtype).removeprefix('torch.')}: quantised?)")
            return None
        tensor = tensor.to(self.target.device)
        if not _is_finite(tensor):
            self.problems["NaN or infinite"].append(name)
        if name not in self.borrowed:
            self.entries.append(LedgerEntry(name, use))
        self.taken.append(self.file[name])
        return tensor

    def take_twin(self, first: str, second: str) -> bool:
        """Take ``second`` if it is plain and equal to ``first``, so that it needs no memory of its own."""
        one, other = self.file.get(first), self.unused.get(second)
        changed = {name.rpartition(".")[0] for name in (first, second)} & self.lora.keys()
        if (
            one is None
            or other is None
            or changed
            or self._spelling(second) != second
            or one.dtype != other.dtype
            or not torch.equal(one, other)
        ):
            return False
        del self.unused[second]
        self.entries.append(LedgerEntry(second, "used"))
        self.taken += [one, other]
        return True

    def release(self) -> None:
        """What was taken has been copied: its pages of the file are no longer needed."""
        for tensor in self.taken:
            release(tensor)
        self.taken.clear()

    def take_merged(self, name: str, shape: torch.Size, is_conv1d: bool) -> Tensor | None:
        """A plain tensor, or the base layer's weight plus its scaled LoRA product."""
        module, _, leaf = name.rpartition(".")
        weight = self.take(self._spelling(name), shape)
        self._set_aside(module, leaf)
        lora = self.lora.get(module, Lora())
        if leaf == "bias" and lora.up_bias is not None:
            return self._with_bias(module, weight, lora, shape)
        if leaf != "weight" or module not in self.lora:
            return weight
        down = self.take(lora.down or f"{module}.lora_A.default.weight", None, "LoRA, merged")
        up = self.take(lora.up or f"{module}.lora_B.default.weight", None, "LoRA, merged")
        if weight is None or down is None or up is None:
            return None
        is_transposed = is_conv1d or "lora_embedding_" in (lora.down or "")
        expected = (shape[1], shape[0]) if is_transposed else tuple(shape)
        if down.shape[0] != up.shape[1] or (up.shape[0], down.shape[1]) != expected:
            self.problems["wrong shape"].append(
                f"{lora.down} {tuple(down.shape)} with {lora.up} {tuple(up.shape)}, expected a product {expected}"
            )
            return None
        left, right = (down.T, up.T) if is_transposed else (up, down)
        return torch.addmm(weight.float(), left.float(), right.float(), alpha=self.target.scaling.of(module, down.shape[0]))

    def _with_bias(self, module: str, bias: Tensor | None, lora: Lora, shape: torch.Size) -> Tensor | None:
        assert lora.up_bias is not None and lora.up is not None
        added = self.take(lora.up_bias, shape, "LoRA, merged")
        return None if bias is None or added is None else bias.float() + self.target.scaling.of(module, self.ranks[module]) * added.float()

    def _set_aside(self, module: str, leaf: str) -> None:
        """The original of a weight that was trained whole."""
        for original in (f"{module}.original_module.{leaf}", f"{module}.base_layer.{leaf}"):
            if original in self.unused:
                del self.unused[original]
                self.entries.append(LedgerEntry(original, f"ignored: {WHOLE}"))

    def close(self, expected: Mapping[str, Tensor]) -> None:
        """Raises CheckpointError unless everything was there, used and sound."""
        self.problems["unknown"] = list(self.unused)
        found = [f"{problem}: {listed(names)}" for problem, names in self.problems.items() if names]
        if found:
            raise CheckpointError(f"{self.path} {self._diagnosis(expected)}: {'; '.join(found)}.{self._advice(expected)}")

    def _is_other_base(self, expected: Mapping[str, Tensor]) -> bool:
        """Whether the problems are those of another base: most shapes differ, or whole layers are missing or too many."""
        layers = {_layer(name) for name in expected} - {None}
        surplus = {_layer(name) for name in self.unused} - {None} - layers
        lacking = {_layer(name) for name in self.problems["missing"]} - {_layer(entry.name) for entry in self.entries} - {None}
        return len(self.problems["wrong shape"]) > len(expected) / 4 or bool(surplus and len(self.unused) > 3) or bool(lacking)

    def _diagnosis(self, expected: Mapping[str, Tensor]) -> str:
        return (
            "does not fit its base model"
            if self._is_other_base(expected)
            else "is incomplete or damaged"
            if self.problems["missing"]
            else "cannot be used"
        )

    def _advice(self, expected: Mapping[str, Tensor]) -> str:
        return " Name the base it was trained from (--base)." if self._is_other_base(expected) else ""


def _layer(name: str) -> str | None:
    match = re.search(r"\.(?:layers|h)\.(\d+)\.", name)
    return match[1] if match else None


def _is_finite(tensor: Tensor) -> bool:
    """One pass that vectorises: NaN and infinity survive a sum. Only a sum that overflows needs the slow look at every element.

    Part by part, for the sum is of a copy in float32.
    """
    parts: tuple[Tensor, ...] = torch.split(tensor.reshape(-1), PART)
    return all(bool(torch.isfinite(part.sum(dtype=torch.float32))) or bool(torch.isfinite(part).all()) for part in parts)
