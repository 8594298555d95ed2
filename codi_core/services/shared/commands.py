"""The command lines that repeat a request."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from codi_core.lenses.registry import DEFAULT_LENS
from codi_core.models.presets import known
from codi_core.services.shared.requests import ConditionRequest, MeansRequest, SteerRequest, SweepRequest
from codi_core.steering.flags import text_of
from codi_core.steering.methods import Method


def condition_command(request: ConditionRequest) -> str:
    """The command line that repeats a request."""
    default = ConditionRequest("", ())
    words = ["--eval-set", request.eval_set, "--n", str(request.n), *rollout_words(request), *means_words(request.means)]
    for name in ("seed", "against", "controls"):
        if getattr(request, name) != getattr(default, name):
            words += [f"--{name}", str(getattr(request, name))]
    return command("eval", request.model, request.interventions, [*words, *(["--overlap"] if request.overlap else [])])


def steer_command(request: SteerRequest) -> str:
    words = ["--prompt", request.prompt, *rollout_words(request), *means_words(request.means)]
    words += [word for lens in request.lenses if lens != DEFAULT_LENS for word in ("--lens", lens)]
    words += ["--control-seed", str(request.control_seed)] if request.control_seed else []
    words += ["--gold", request.gold] if request.gold else []
    words += ["--steps", ",".join(request.steps)] if request.steps else []
    return command("steer", request.model, request.interventions, words)


def command(name: str, model: str, interventions: Sequence[Method], words: Sequence[str]) -> str:
    return shlex.join(["python", "-m", "codi_core", name, "--model", model, "--condition", text_of(interventions), *words])


def rollout_words(request: Any) -> list[str]:
    """Flags that differ from their defaults; ``request`` is of a dataclass with model, passes and max_new_tokens."""
    limit = request.max_new_tokens
    same = limit == type(request).__dataclass_fields__["max_new_tokens"].default
    return [*passes_words(request.model, request.passes), *([] if same else ["--max-new-tokens", str(limit)])]


def passes_words(model: str, passes: int) -> list[str]:
    """Left out only where the command line would take as many by itself, whatever the model's files say."""
    return [] if passes == known(model).passes else ["--passes", str(passes)]


def means_words(means: MeansRequest) -> list[str]:
    default = MeansRequest()
    given = [name for name in ("eval_set", "n", "seed", "only") if getattr(means, name) != getattr(default, name)]
    return [word for name in given for word in (_means_flag(name), str(getattr(means, name)))]


def _means_flag(name: str) -> str:
    return "--means" if name == "eval_set" else f"--means-{name}"


def sweep_command(request: SweepRequest) -> str:
    """The command line that repeats a request."""
    words = ["--model", request.model, "--preset", request.preset, "--eval-set", request.eval_set]
    words += passes_words(request.model, request.passes)
    for name in ("n", "seed", "randoms", "shuffled", "means_n"):
        if getattr(request, name) != SweepRequest.__dataclass_fields__[name].default:
            words += [f"--{name.replace('_', '-')}", str(getattr(request, name))]
    words += [word for one in request.only for word in ("--only", ":".join(map(str, one)))]
    words += [word for size in request.bands_at for word in ("--bands-at", f"{size:g}")]
    return shlex.join(["python", "-m", "codi_core", "sweep", *words])
