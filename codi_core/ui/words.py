"""Sentences about results: the whole condition of a number on screen, and what to be careful about."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from codi_core.services.cards import ModelCard
from codi_core.services.inspect import Inspection

ARRAYS = ("top_ids", "top_tokens", "top_probs", "entropy", "kl", "tracked_rank", "tracked_prob")
EARLY_LAYERS = "Early layers are usually unreadable: the logit lens reads every depth as if it were the last."
DOMAIN = (
    "The bundled models were trained from scratch on word problems of four kinds (group stories, percentages, everyday chains, rates) with "
    "whole numbers up to 999. Any other prompt is out of their domain: expect a wrong answer."
)


def domain(card: ModelCard) -> str:
    """What the model was trained on, when we know."""
    return DOMAIN if str(card.training.get("training", {}).get("name", "")).startswith("bundled") else ""


def condition(inspection: Inspection) -> str:
    """Everything that made the numbers, in one line."""
    model, request = inspection.model, inspection.request
    facts = [
        model.name,
        f"weights {model.checkpoint[:8]}",
        model.dtype,
        f"{model.prompt_format} prompt",
        *([f"RoPE rounded to {model.rope_rounding}"] if model.rope_rounding != "none" else []),
        *([f"LoRA α {model.lora_alpha:g}"] if model.lora_alpha is not None else []),
        f"{request.passes} passes",
        "greedy",
        f"{' and '.join(request.lenses)} lens",
        f"key {request.key}",
    ]
    return " · ".join(facts)


def exported(inspection: Inspection) -> dict[str, Any]:
    """The inspection as JSON data, with what made it."""
    rollout = inspection.rollout
    return {
        "condition": condition(inspection),
        "request": {**asdict(inspection.request), "kind": inspection.request.kind, "key": inspection.request.key},
        "model": {**asdict(inspection.model), "key": inspection.model.key},
        "prompt": rollout.question,
        "input_tokens": rollout.input_tokens,
        "answer": rollout.answer,
        "answer_number": rollout.number,
        "top_answers": [asdict(token) for token in rollout.top_answers],
        "problem": asdict(inspection.problem) if inspection.problem else None,
        "tracked": [asdict(token) for token in inspection.tracked],
        "axes": {"index": "0 = bot, k = latent pass k", "depth": "0 = embeddings, last = output", "k": "rank among the top tokens"},
        "grids": {name: {field: getattr(grid, field).tolist() for field in ARRAYS} for name, grid in inspection.grids.items()},
        "tracked_ids": next(iter(inspection.grids.values())).tracked_ids,
    }
