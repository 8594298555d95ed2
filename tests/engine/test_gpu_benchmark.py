"""The acceptance run for a GPU, on the CPU and a tiny shape: every table is there, and the weights it writes open by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.gpu import main
from codi_core.models.presets import base_config
from tests.checkpoints import load


@pytest.mark.slow
def test_its_cpu_path_runs_through_everything(tmp_path: Path) -> None:
    words = ["--shape", "tiny", "--questions", "6", "--device", "cpu", "--fixtures", "coconut-gpt2", "--out", str(tmp_path / "out.md")]
    main([*words, "--weights", str(tmp_path / "weights")])
    text = (tmp_path / "out.md").read_text()
    assert "float32: answers equal, token for token, on 1 checkpoints | 7 of 7 | all | ✓" in text
    for row in ("bfloat16: answers equal", "answers as in float32", "peak memory of the process", "1,800 conditions", "matrix products of"):
        assert f"| {row}" in text or row in text
    assert "all 6 questions" in text
    model = load(tmp_path / "weights", lora_alpha=32.0)
    assert (model.ids.bot, model.ids.eot, model.family.name, model.spec.prompt_format) == (2049, 2050, "codi", "answer-only")
    assert "LoRA, merged" in {entry.fate for entry in model.ledger}
    assert model.embedding.weight.data_ptr() == model.lm_head.weight.data_ptr()


def test_a_shape_has_the_tensors_of_the_public_file() -> None:
    """377 in cywinski's 1B checkpoint, by its card; written on the meta device, for 2.7 GB are not needed to count."""
    from benchmarks.shapes import _tensors

    with torch.device("meta"):
        tensors = _tensors(base_config("Llama-3.2-1B-Instruct"))
    assert len(tensors) == 377
    assert sum(t.numel() for name, t in tensors.items() if not name.endswith("lm_head.weight")) * 2 / 1e9 < 2.68
