"""Rollouts of many prompts, as files others can read: answers.json and latents.npz."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from codi_core.engine.answers import parse_number
from codi_core.engine.engine import Engine
from codi_core.errors import DataError
from codi_core.evaluation.evals import check_questions
from codi_core.models.model import CodiModel
from codi_core.services.shared.turns import Turns
from codi_core.store import save_npz
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled
from codi_core.values.model import ChainOfThought, ModelSpec, Rollout, RolloutConfig, RunMode
from codi_core.values.questions import Question
from codi_core.version import code_version


def read_prompts(path: Path) -> list[str]:
    """A JSON list of prompts, or of objects with ``prompt`` or ``question``; or an object that holds one under ``prompts`` or ``results``.

    Raises DataError naming the file and the row.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}") from error
    if isinstance(data, dict):
        data = data.get("prompts", data.get("results"))
    if not isinstance(data, list) or not data:
        raise DataError(f'{path} holds no prompts: give a JSON list of texts, ["…", "…"].')
    return [_prompt(item, f"{path}, row {row}") for row, item in enumerate(data, 1)]


def _prompt(item: Any, where: str) -> str:
    text = item.get("prompt", item.get("question")) if isinstance(item, dict) else item
    if not isinstance(text, str):
        raise DataError(f"{where}: {item!r:.80} is neither a text nor an object with a prompt.")
    return text


def write_rollouts(
    turns: Turns,
    prompts: Sequence[str],
    config: RolloutConfig,
    batch_size: int | None,
    folder: Path,
    mode: RunMode = "latent",
) -> dict[str, Any]:
    """Roll the prompts out and write both files; returns what answers.json holds.

    ``latents.npz`` has for prompt i ``latents_i`` = z ``[index d_model]``, ``pre_prj_i`` = h ``[index d_model]`` and ``layers_i``
    ``[index depth d_model]``, its last depth after the final norm; it is empty in modes without latents.

    Raises DataError for a prompt that cannot be used or a folder that
    cannot be written, ModelError when the model cannot be loaded.
    """

    def work(part: Sequence[str], engine: Engine, check_cancelled: CheckCancelled) -> list[tuple[dict[str, Any], dict[str, Floats]]]:
        if mode != "latent":
            write = engine.cot if mode == "explicit" else engine.direct
            written = write(part, config.max_new_tokens, batch_size, check_cancelled=check_cancelled)
            return [(_written(engine.model, prompt, found), {}) for prompt, found in zip(part, written, strict=True)]
        rollouts = engine.rollout(part, config, batch_size=batch_size, check_cancelled=check_cancelled)
        return [(_answer(prompt, rollout), _latents(engine.model, rollout)) for prompt, rollout in zip(part, rollouts, strict=True)]

    spec = turns.once(lambda engine, _: _check(engine.model, prompts).spec)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    done = turns.each(prompts, work)
    answers = {"meta": _meta(spec, config, mode), "results": [answer for answer, _ in done]}
    arrays = {f"{name}_{row}": array for row, (_, latents) in enumerate(done) for name, array in latents.items()}
    with _writing(folder):
        (folder / "answers.json").write_text(json.dumps(answers, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        save_npz(folder / "latents.npz", arrays)
    return answers


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error}") from error


def _meta(spec: ModelSpec, config: RolloutConfig, mode: RunMode) -> dict[str, Any]:
    return {
        "model": spec.name,
        "model_key": spec.key,
        "checkpoint": spec.checkpoint,
        "dtype": spec.dtype,
        "family": spec.family,
        "mode": mode,
        "prompt_format": spec.prompt_format,
        "rope_rounding": spec.rope_rounding,
        "lora_alpha": spec.lora_alpha,
        "passes": config.passes,
        "max_new_tokens": config.max_new_tokens,
        "code": code_version(),
    }


def _check(model: CodiModel, prompts: Sequence[str]) -> CodiModel:
    check_questions(model, [Question(str(row), prompt, 0.0, "", (), ()) for row, prompt in enumerate(prompts, 1)])
    return model


def _answer(prompt: str, rollout: Rollout) -> dict[str, Any]:
    number = rollout.number
    return {
        "prompt": prompt,
        "input_ids": rollout.input_ids,
        "answer_ids": rollout.answer_ids,
        "answer": rollout.answer,
        "number": number if number is None or math.isfinite(number) else None,
        "finished": rollout.finished,
    }


def _written(model: CodiModel, prompt: str, found: ChainOfThought) -> dict[str, Any]:
    """Everything the model wrote is its answer here; ``chain`` is what stands before eot."""
    text = model.decode(list(found.output_ids))
    number = parse_number(text)
    return {
        "prompt": prompt,
        "input_ids": found.input_ids,
        "answer_ids": found.output_ids,
        "answer": text,
        "chain": found.chain,
        "number": number if number is None or math.isfinite(number) else None,
        "finished": found.finished,
    }


def _latents(model: CodiModel, rollout: Rollout) -> dict[str, Floats]:
    layers = rollout.resid.copy()
    with torch.inference_mode():
        last = torch.from_numpy(layers[:, -1]).to(model.device, model.dtype)
        layers[:, -1] = model.final_norm(last).float().cpu().numpy()
    return {"latents": rollout.z, "pre_prj": rollout.h, "layers": layers.astype(np.float32)}
