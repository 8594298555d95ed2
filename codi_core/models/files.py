"""Weight files: which ones a folder holds, and their tensors by name, read without running code."""

from __future__ import annotations

import ctypes
import hashlib
import json
import pickle
import re
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from codi_core.disk import sha256_of
from codi_core.errors import CheckpointError
from codi_core.models.foreign import check_content, instead_of_weights, shard_of

WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""In order of preference: safetensors cannot hold code."""
LOOSE = ("*.safetensors", "checkpoint_*", "*.bin", "*.pt", "*.pth", "*.ckpt")
"""Names that research code gives a single file of weights."""
NOT_WEIGHTS = (
    "training_args",
    "optimizer",
    "scheduler",
    "rng_state",
    "scaler",
    "sampler",
    "dl_state_dict",
    "adapter_model",
    "zero_pp_rank_",
)
ADAPTER_FILES = ("adapter_model.safetensors", "adapter_model.bin")
INDEX_SUFFIX = ".index.json"
ANYBODYS = re.compile(r"(checkpoint|(pytorch_)?model|weights|final|best|last|latest)([-_]\d+)?(\.\w+)*")
"""Names of folders and files that say nothing of which model is in them."""
RUN = "checkpoint"
"""Folder of a run that its finished checkpoint is in."""
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""Beginning of a file that torch.save wrote before version 1.6."""
STATE_DICTS = ("state_dict", "model_state_dict", "model", "module", "weights")
"""Where training loops put the state dict when they save other things beside it."""


@dataclass(frozen=True)
class WeightFiles:
    """One file of weights, or the shards of an index in its order."""

    path: Path
    """The file, or the index."""
    shards: tuple[Path, ...]
    keys: Mapping[Path, frozenset[str]] | None = None
    """Which tensors the index says each shard holds."""

    @property
    def sha256(self) -> str:
        """Of the file; of the shards' hashes when there are several."""
        hashes = [sha256_of(shard) for shard in self.shards]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def own_name(place: Path) -> str:
    """Of a model, by where it lies: the folder's or file's name, and its run's where any model's is called so.

    ``runs/tiny/checkpoint`` is ``tiny``, ``runs/tiny/checkpoint-500`` is ``tiny-checkpoint-500``.
    """
    if not ANYBODYS.fullmatch(place.name) or not place.parent.name:
        return place.name
    run = own_name(place.parent)
    return run if place.name == RUN else f"{run}-{place.name}"


def names_of(model: str) -> tuple[str, ...]:
    """What results of a model may be stored under: as it is asked for, and, of one that lies here, its own name and its folder's, which was
    its name before runs had theirs.
    """
    place = Path(model).expanduser()
    return (model, own_name(place.resolve()), place.name) if place.exists() else (model, place.name)


def find_weights(place: Path) -> WeightFiles:
    """The weights of a folder, or the file (or index) given. Raises CheckpointError when there are none, or more than one candidate."""
    if place.is_file():
        return _of_file(place)
    for name in WEIGHT_FILES:
        if (place / name).is_file():
            return find_weights(place / name)
    loose = sorted(path for path in place.iterdir() if path.is_file() and is_loose(path.name))
    if loose and len(wholes := {shard[::2] for path in loose if (shard := shard_of(path.name))}) == 1 and all(map(_is_shard, loose)):
        return _without_index(place, loose, *next(iter(wholes)))
    if len(loose) == 1:
        return WeightFiles(loose[0], (loose[0],))
    if loose:
        raise CheckpointError(
            f"{place} holds several files of weights ({listed(path.name for path in loose)}): give one of them as the model."
        )
    if adapter_beside(place):
        raise CheckpointError(
            f"{place} holds only an adapter ({' or '.join(ADAPTER_FILES)}), without the base model's weights: merge it into its base "
            "(PEFT's merge_and_unload) and save the whole model."
        )
    expected = f"expected {', '.join(WEIGHT_FILES)} or a single file such as checkpoint_22"
    raise CheckpointError(f"No weights in {place}: {expected}.{instead_of_weights(place)}")


def is_loose(name: str) -> bool:
    """Whether research code would call a file of weights so."""
    return any(fnmatch(name, pattern) for pattern in LOOSE) and not name.startswith(NOT_WEIGHTS)


def adapter_beside(folder: Path) -> str | None:
    """Name of an adapter's weights in a folder."""
    return next((name for name in ADAPTER_FILES if (folder / name).is_file()), None)


def _of_file(path: Path) -> WeightFiles:
    if path.name.endswith(INDEX_SUFFIX):
        return _of_index(path)
    if shard := shard_of(path.name):
        raise CheckpointError(f"{path.name} is one of {shard[2]} shards: give their folder ({path.parent}) as the model.")
    return WeightFiles(path, (path,))


def _is_shard(path: Path) -> bool:
    return shard_of(path.name) is not None


def _without_index(folder: Path, shards: list[Path], whole: str, count: int) -> WeightFiles:
    """Shards whose index was lost: their names say how many there are."""
    stem, _, suffix = whole.rpartition(".")
    names = [f"{stem}-{number:05}-of-{count:05}.{suffix}" for number in range(1, count + 1)]
    if absent := sorted(set(names) - {path.name for path in shards}):
        raise CheckpointError(f"{folder} has shards of weights and lacks {listed(absent)}: download it again, whole.")
    return WeightFiles(folder / whole, tuple(folder / name for name in names))


def _of_index(index: Path) -> WeightFiles:
    check_content(index, is_json=True)
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        by_shard: dict[str, set[str]] = {}
        for key, shard in weight_map.items():
            by_shard.setdefault(shard, set()).add(key)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index} is not an index of shards ({type(error).__name__}): it must map tensor names to files.") from error
    strange = [name for name in by_shard if Path(name).name != name]
    if strange:
        raise CheckpointError(f"{index} names files outside its folder: {listed(strange)}.")
    absent = [name for name in by_shard if not (index.parent / name).is_file()]
    if absent:
        raise CheckpointError(f"{index.name} names {listed(absent)}, absent from {index.parent}: download it again, whole.")
    keys = {index.parent / name: frozenset(by_shard[name]) for name in sorted(by_shard)}
    return WeightFiles(index, tuple(keys), keys)


def read_tensors(weights: WeightFiles) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Every tensor by the name in the file (memory-mapped), and notes on what else the file holds.

    Raises CheckpointError for a broken or unsafe file, and for shards that disagree with their index.
    """
    tensors: dict[str, Tensor] = {}
    notes: tuple[str, ...] = ()
    for shard in weights.shards:
        check_content(shard)
        found, more = _read_safetensors(shard) if _is_safetensors(shard) else _read_pickle(shard)
        twice = [name for name in found.keys() & tensors.keys() if not _equal(found[name], tensors[name])]
        if twice:
            raise CheckpointError(
                f"{shard.name} and another shard both hold {listed(sorted(twice))}, with other numbers: download all again."
            )
        elsewhere = frozenset().union(*weights.keys.values()) if weights.keys else frozenset()
        absent, extra = (weights.keys[shard] - found.keys(), found.keys() - elsewhere) if weights.keys else ((), ())
        if absent or extra:
            said = [
                f"{listed(sorted(names))} {what}" for names, what in ((absent, "are not in it"), (extra, "are not in the index")) if names
            ]
            raise CheckpointError(f"{shard.name} does not hold what {weights.path.name} says: {'; '.join(said)}. Download both again.")
        tensors.update(found)
        notes += more
    return tensors, notes


def _is_safetensors(path: Path) -> bool:
    """By its content, whatever it is called: the length of a header in eight bytes, and the header."""
    with path.open("rb") as file:
        begins = file.read(9)
    is_pickle = begins[:2] == b"PK" or LEGACY_MAGIC.startswith(begins)
    return begins[8:] == b"{" or (path.suffix == ".safetensors" and not is_pickle)


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, ()  # noqa: SIM118 (safe_open is no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is truncated or not a safetensors file ({error}): download it again.") from error


def _read_pickle(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    is_zip = zipfile.is_zipfile(path)
    if not is_zip and not _begins_with(path, LEGACY_MAGIC):
        raise CheckpointError(f"{path} is truncated or not a file written by torch.save: download it again.")
    try:
        if path.suffix == ".safetensors":  # torch.load would believe the name
            with path.open("rb") as file:
                content = torch.load(file, map_location="cpu", weights_only=True)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than tensors and was not opened: a pickle can run code. "
            "Ask its author for a safetensors file, or convert it where you trust it."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is truncated or not a file written by torch.save ({error}): download it again.") from error
    return _state_dict(path, content)


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _state_dict(path: Path, content: Any) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The state dict itself, or the one that a training loop's record holds."""
    if _is_state_dict(content):
        return dict(content), ()
    beside = [name for name, value in content.items() if isinstance(value, int | float | str | None)] if isinstance(content, dict) else []
    tensors = {name: value for name, value in content.items() if name not in beside} if beside else {}
    if _is_state_dict(tensors):
        return tensors, (f"beside the weights its {listed(map(str, beside))} not used",)
    inner = [name for name in STATE_DICTS if isinstance(content, dict) and _is_state_dict(content.get(name))]
    if len(inner) == 1:
        rest = [str(name) for name in content if name != inner[0]]
        note = f"the weights are its '{inner[0]}'" + (f"; the training's {listed(rest)} not used" if rest else "")
        return dict(content[inner[0]]), (note,)
    if inner:
        raise CheckpointError(f"{path} holds several state dicts ({listed(inner)}): save the one to be used on its own.")
    raise CheckpointError(f"{path} does not hold a state dict (tensor names to tensors).")


def _is_state_dict(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(k, str) and isinstance(t, Tensor) for k, t in value.items())


_PAGE, _PAGEOUT = 4096, 21
"""Bytes a page of memory has, and Linux's MADV_PAGEOUT."""


def release(tensor: Tensor) -> None:
    """Let the system take back the memory of a tensor that was read from a mapped file; it is read again if it is needed again.

    Without this a loading model takes twice its size: once as pages of the file, once as weights. Only on Linux; elsewhere it does nothing.
    """
    start = -(-tensor.data_ptr() // _PAGE) * _PAGE
    length = (tensor.data_ptr() + tensor.nbytes) // _PAGE * _PAGE - start
    if sys.platform == "linux" and tensor.device.type == "cpu" and tensor.is_contiguous() and length > 0:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), ctypes.c_int(_PAGEOUT))


def listed(names: Iterable[str], limit: int = 8) -> str:
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
