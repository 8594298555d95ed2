"""Sentences about results: the whole condition of a number on screen, and what to be careful about."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from codi_core.services.cards import ModelCard
from codi_core.services.inspect import Inspection

ARRAYS = ("top_ids", "top_tokens", "top_probs", "entropy", "kl", "tracked_rank", "tracked_prob")
DOMAIN = (
    "The bundled models were trained from scratch on word problems of four kinds (group stories, percentages, everyday chains, rates) with "
    "whole numbers up to 999. Any other prompt is out of their domain: expect a wrong answer."
)


def domain(card: ModelCard) -> str:
    """What the model was trained on, when we know."""
    return DOMAIN if str(card.training.get("training", {}).get("name", "")).startswith("bundled") else ""


def exported(inspection: Inspection) -> dict[str, Any]:
    """The inspection as JSON data, with what made it."""
    rollout = inspection.rollout
    return {
        "condition": inspection.condition,
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
