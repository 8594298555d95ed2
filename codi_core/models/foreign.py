"""What lies where weights were expected: a pointer, a web page, another library's format, one process's share of a training run."""

from __future__ import annotations

import re
from pathlib import Path

from codi_core.errors import CheckpointError

BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "is a git-lfs pointer, not the file itself: run git lfs pull where it was cloned, or download the file"),
    (b"GGUF", "is of GGUF (llama.cpp), whose weights are quantised: take the safetensors file it was made from"),
    (b"\x89HDF", "is of HDF5, as TensorFlow saves weights: take the safetensors or PyTorch file"),
    (b"<", "is a web page, saved in the file's place: download the file itself"),
    (b"Entry not found", "is an error message of the hub, saved in the file's place: download the file itself"),
    (b"Access to model", "is an error message of the hub, saved in the file's place: accept its licence and download the file itself"),
    (b"{", "is JSON, not weights: give the folder, or the file of weights in it"),
)
"""How files begin that are often taken for weights, and what they are."""
_PARTS: tuple[tuple[str, str], ...] = (
    ("zero_to_fp32.py", "DeepSpeed's shares of each process: run its zero_to_fp32.py, which writes pytorch_model.bin"),
    ("zero_pp_rank_*", "DeepSpeed's shares of each process: run zero_to_fp32.py of the folder above, which writes pytorch_model.bin"),
    ("*.distcp", "FSDP's shares of each process: merge them (accelerate merge-weights, or torch.distributed.checkpoint)"),
    ("*/*.distcp", "FSDP's shares of each process: merge them (accelerate merge-weights, or torch.distributed.checkpoint)"),
    ("*.gguf", "GGUF files (llama.cpp), whose weights are quantised: take the safetensors files they were made from"),
    ("*.onnx", "an ONNX graph: take the safetensors files it was made from"),
    ("tf_model*.h5", "TensorFlow weights: take the safetensors or PyTorch file"),
    ("flax_model*.msgpack", "Flax weights: take the safetensors or PyTorch file"),
)
"""Names of files in a folder without weights, and what they are."""
_SHARE = re.compile(r"(zero_pp_rank_|bf16_zero_pp_rank_).*")
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.\w+)")


def check_content(path: Path, is_json: bool = False) -> None:
    """Raises CheckpointError naming what a file is, when it is empty or begins like something that is not read; OSError."""
    if _SHARE.fullmatch(path.name):
        raise CheckpointError(f"{path} is one process's share of a DeepSpeed run: zero_to_fp32.py beside it writes the whole model.")
    with path.open("rb") as file:
        begins = file.read(32)
    if not begins:
        raise CheckpointError(f"{path} is empty (0 bytes), as a download that was cut leaves it: download it again.")
    for beginning, what in BEGINNINGS:
        if begins.lstrip().startswith(beginning) and not (is_json and beginning == b"{"):
            raise CheckpointError(f"{path} {what}.")


def instead_of_weights(folder: Path) -> str:
    """What a folder without weights holds, as the end of a message; empty when nothing tells."""
    found = next((what for pattern, what in _PARTS if any(folder.glob(pattern))), "")
    if found:
        return f" It holds {found}."
    inside = sorted(path.parent.name for path in folder.glob("*/*") if path.name.startswith(("model", "pytorch_model", "checkpoint_")))
    names = sorted(dict.fromkeys(inside), key=lambda name: (len(name), name))
    return f" There are weights in its folders {', '.join(names[:8])}: give one of them." if names else ""


def shard_of(name: str) -> tuple[str, int, int] | None:
    """``stem.suffix``, number and count of a shard by its name; None for a file that is whole."""
    match = _SHARD.fullmatch(name)
    return (match["stem"] + match["suffix"], int(match["number"]), int(match["count"])) if match and int(match["count"]) > 1 else None
