"""Models trained for a few steps, as the recipe trains them: what they answer is nonsense, everything else is real."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file, save_file

from codi_core.training.run import TrainSpec, train

TINY = TrainSpec(
    name="tiny",
    steps=6,
    teacher_steps=1,
    batch=4,
    warmup=2,
    words=400,
    drill_steps=1,
    width=32,
    layers=2,
    heads=2,
    mlp=32,
    step_weight=0.25,
)
PAUSED = replace(TINY, name="tiny-pause", latent_input="shared")


def train_pair(root: Path) -> tuple[Path, Path]:
    """Checkpoints of `TINY` and of its pause twin, as the command line lays them out."""
    first, second = (train(spec, root / spec.name, every=6) for spec in (TINY, PAUSED))
    return first, second


def paused(shipped: Path, folder: Path) -> Path:
    """A stand-in for a pause twin, without training: a model that ships, fed bot's embedding in every pass."""
    shutil.copytree(shipped, folder)
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("prj.")}
    save_file({**kept, "pause.weight": kept["codi.model.embed_tokens.weight"][-2].clone()}, folder / "model.safetensors")
    (folder / "codi.json").write_text(json.dumps({**json.loads((folder / "codi.json").read_text()), "latent_input": "shared"}))
    return folder
