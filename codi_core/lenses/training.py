"""Training tuned lenses: translators learn to make every depth predict the model's true output (KL), in float32, on many latents."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from codi_core.engine.engine import Engine
from codi_core.errors import LensError
from codi_core.keys import ADDED_LATER, key_of
from codi_core.lenses.judging import judge
from codi_core.lenses.latents import Progress, collect_latents, collect_text
from codi_core.lenses.logit import LogitLens
from codi_core.lenses.tuned import TunedLens, new_translators
from codi_core.models.model import CodiModel
from codi_core.models.prompts import clean_question
from codi_core.values.callbacks import CheckCancelled
from codi_core.values.lens import TunedCard
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import question_digest

NAMED_INDICES: dict[str, Callable[[int], range]] = {
    "all": lambda passes: range(passes + 1),
    "odd": lambda passes: range(1, passes + 1, 2),
    "even": lambda passes: range(2, passes + 1, 2),
    "text": lambda passes: range(0),
}
"""By the number of passes. Index 0, the prompt's last position, is in neither odd nor even: it is no latent thought yet."""


AS_IN_THE_POSTS = {"train_set": "gsm8k-aug-500", "n_questions": 500, "held_out_set": "gsm8k-aug"}
"""What lenses of models are trained on that did not learn our problems."""


@dataclass(frozen=True)
class LensTrainSpec:
    """Everything but the model and the questions that decides the translators."""

    kind: ClassVar[str] = "lens"
    indices: str = "all"
    """A name of NAMED_INDICES, or numbers joined by ``+``."""
    train_set: str = "train+means"
    """Splits of our problems or other eval sets, joined by ``+`` and taken in equal parts."""
    held_out_set: str = "select"
    n_questions: int = 3_000
    n_held_out: int = 400
    steps: int = 1_500
    batch: int = 256
    lr: float = 2e-3
    seed: int = 0
    passes: int = field(default=RolloutConfig.passes, metadata=ADDED_LATER)
    """Of the rollouts whose latents are learnt from and judged: those the model was trained with."""

    @property
    def variant(self) -> str:
        """The lens is named ``tuned:<variant>``."""
        return self.indices if self.indices in NAMED_INDICES else "+".join(map(str, parse_indices(self.indices, self.passes)))


def parse_indices(text: str, passes: int) -> tuple[int, ...]:
    """``all``, ``odd``, ``even``, ``3`` or ``3+5`` → indices in order, of so many passes; empty for ``text``. Raises LensError."""
    if text in NAMED_INDICES:
        indices = tuple(NAMED_INDICES[text](passes))
        if not indices and text != "text":
            raise LensError(f"There is no index in '{text}' with {passes} passes: use all, or the number of one of 0 to {passes}.")
        return indices
    parts = text.split("+")
    if not all(part.isdecimal() and int(part) <= passes for part in parts):
        raise LensError(f"'{text}' names no indices: use {', '.join(NAMED_INDICES)}, or numbers 0 to {passes} joined by +, as in 3+5.")
    return tuple(sorted({int(part) for part in parts}))


def train_translators(
    engine: Engine,
    spec: LensTrainSpec,
    questions: Sequence[str],
    held_out: Sequence[str],
    state: Path,
    progress: Progress,
    check_cancelled: CheckCancelled,
) -> tuple[TunedLens, TunedCard]:
    """Train or resume: what a killed run needs is in the file ``state``, which the caller deletes.

    Raises LensError for an unusable spec, and what the engine raises.
    """
    model, indices, every = engine.model, parse_indices(spec.indices, spec.passes), range(spec.passes + 1)
    if min(spec.steps, spec.batch, spec.n_questions, spec.n_held_out) < 1 or not 0 < spec.lr < 1:
        raise LensError(f"{spec.steps} steps of {spec.batch} at rate {spec.lr}: steps, batch and questions start at 1, the rate is in 0…1.")
    latents = (
        collect_latents(engine, questions, indices, progress, check_cancelled).flatten(0, 1)
        if indices
        else collect_text(engine, questions, spec.seed, progress, check_cancelled)
    )
    judged = collect_latents(engine, held_out, every, progress, check_cancelled)
    lens = TunedLens(f"tuned:{spec.variant}", new_translators(model))
    identity = key_of([model.spec, spec, [question_digest(question) for question in questions]])
    curve = _Fit(model, lens, spec, latents, judged, indices or every, state, identity).run(progress, check_cancelled)
    tuned, plain = (judge(model, each, judged, every) for each in (lens, LogitLens()))
    card = TunedCard(
        name=lens.name,
        model=model.spec,
        key=identity,
        indices=indices,
        train_set=spec.train_set,
        held_out_set=spec.held_out_set,
        n_latents=len(latents),
        n_held_out=len(held_out),
        steps=spec.steps,
        batch=spec.batch,
        lr=spec.lr,
        seed=spec.seed,
        kl=tuned.kl,
        kl_plain=plain.kl,
        agree=tuned.agree,
        agree_plain=plain.agree,
        curve=tuple(curve),
        questions=tuple(question_digest(clean_question(question)) for question in questions),
    )
    return lens, card


class _Fit:
    """The loop, and what it needs to go on after it was killed."""

    def __init__(
        self,
        model: CodiModel,
        lens: TunedLens,
        spec: LensTrainSpec,
        latents: Tensor,
        judged: Tensor,
        judged_indices: Sequence[int],
        state: Path,
        identity: str,
    ) -> None:
        self.model, self.lens, self.spec, self.latents, self.state, self.identity = model, lens, spec, latents, state, identity
        self.judged, self.indices = judged[:, list(judged_indices)], judged_indices
        self.translators = lens.inner.layer_translators
        self.optimizer = torch.optim.Adam(self.translators.parameters(), lr=spec.lr)
        self.final_norm, self.head = (copy.deepcopy(part).float() for part in (model.final_norm, model.lm_head))
        self.every = max(1, spec.steps // 15)

    def run(self, progress: Progress, check_cancelled: CheckCancelled) -> list[tuple[int, float, float]]:
        """The learning curve: step, training KL since the entry before, held-out KL."""
        curve = self._resume()
        total, counted = 0.0, 0
        for step in range(curve[-1][0] if curve else 0, self.spec.steps):
            check_cancelled()
            total, counted = total + self._step(step), counted + 1
            if (step + 1) % self.every == 0 or step + 1 == self.spec.steps:
                curve.append((step + 1, total / counted, self._held_out()))
                self._save(curve)
                total, counted = 0.0, 0
                progress("training", step + 1, self.spec.steps)
        return curve

    def _step(self, step: int) -> float:
        """One batch, depth by depth (so that one ``[batch vocab]`` is alive at a time); the mean KL over depths."""
        spec, model = self.spec, self.model
        for group in self.optimizer.param_groups:
            group["lr"] = spec.lr * (1 - step / spec.steps)
        draw = torch.Generator().manual_seed(spec.seed * 1_000_003 + step)  # of the step alone: a resumed run draws the same
        rows = self.latents[torch.randint(len(self.latents), (spec.batch,), generator=draw)].to(model.device)
        with torch.no_grad():
            target = self._log_probs(rows[:, -1].float())
        anywhere = torch.zeros(len(rows), dtype=torch.long, device=model.device)  # one translator serves all indices
        self.optimizer.zero_grad()
        total = 0.0
        for depth in range(model.n_layers):
            read = self._log_probs(self.lens.transform(rows[:, depth], depth, anywhere))
            loss = F.kl_div(read, target, log_target=True, reduction="batchmean")
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        self.optimizer.step()
        return total / model.n_layers

    def _log_probs(self, resid: Tensor) -> Tensor:
        logits: Tensor = self.head(self.final_norm(resid.contiguous()))
        return logits.log_softmax(-1)

    def _held_out(self) -> float:
        return float(judge(self.model, self.lens, self.judged, self.indices).kl[:, :-1].mean())

    def _save(self, curve: list[tuple[int, float, float]]) -> None:
        self.state.parent.mkdir(parents=True, exist_ok=True)
        partial = self.state.with_suffix(".tmp")
        torch.save(
            {
                "identity": self.identity,
                "translators": self.translators.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "curve": curve,
            },
            partial,
        )
        partial.replace(self.state)

    def _resume(self) -> list[tuple[int, float, float]]:
        """The curve so far; empty when there is nothing of this very run."""
        if not self.state.exists():
            return []
        saved = torch.load(self.state, map_location=self.model.device, weights_only=True)
        if saved["identity"] != self.identity:
            return []
        self.translators.load_state_dict(saved["translators"])
        self.optimizer.load_state_dict(saved["optimizer"])
        return [(int(step), float(train), float(held_out)) for step, train, held_out in saved["curve"]]
