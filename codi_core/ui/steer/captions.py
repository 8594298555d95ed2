"""Sentences about steering: the whole condition of what is on screen."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from codi_core.services.shared.interventions import text_of
from codi_core.services.shared.requests import ConditionRequest, MeansRequest
from codi_core.services.steer import Steering
from codi_core.ui.inspect.captions import ARRAYS
from codi_core.ui.widgets import eval_choice
from codi_core.values.evals import SteeringEffect


def condition(steering: Steering) -> str:
    model, request = steering.model, steering.request
    return " · ".join(
        [
            model.name,
            f"weights {model.checkpoint[:8]}",
            model.dtype,
            f"{model.prompt_format} prompt",
            f"{steering.passes} of {request.passes} passes",
            text_of(request.interventions),
            means(request.means),
            f"{' and '.join(request.lenses)} lens",
            f"key {request.key}",
            f"{steering.milliseconds:.0f} ms",
        ]
    )


def means(request: MeansRequest) -> str:
    count = f"{request.n:,} questions" if request.n else "all questions"
    return f"means over {count} of '{request.eval_set}'" + (", addition-first only" if request.only == "addition" else "")


def measured(request: ConditionRequest, effect: SteeringEffect) -> str:
    against = "coefficient 0 with as many passes" if request.against == "same" else f"coefficient 0 with {request.passes} passes"
    return (
        f"'{eval_choice.called(request.eval_set)}', seed {request.seed} · baseline: {against} · {means(request.means)} · key {effect.key}"
    )


def exported(steering: Steering) -> dict[str, Any]:
    """The three panes as JSON data, with what made them."""
    panes = {"baseline": steering.baseline, "steered": steering.steered, "control": steering.control}
    return {
        "condition": condition(steering),
        "command": steering.command,
        "key": steering.request.key,
        "model": {**asdict(steering.model), "key": steering.model.key},
        "prompt": steering.request.prompt,
        "intervention": text_of(steering.request.interventions),
        "gold": steering.problem.gold if steering.problem else None,
        "identical": steering.identical,
        "axes": {"index": "0 = bot, k = latent pass k", "depth": "0 = embeddings, last = output", "k": "rank among the top tokens"},
        "panes": {
            name: {
                "answer": pane.answer,
                "number": pane.number,
                "outcome": pane.outcome,
                "p_gold": pane.p_gold,
                "margin": pane.margin,
                "top_answers": [asdict(token) for token in pane.top_answers],
                "grids": {lens: {field: getattr(grid, field).tolist() for field in ARRAYS} for lens, grid in pane.grids.items()},
                "change": {lens: values.tolist() for lens, values in pane.change.items()},
            }
            for name, pane in panes.items()
            if pane
        },
    }
