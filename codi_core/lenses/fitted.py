"""From summed Jacobians to lenses with cards: what each is worth on questions it was not fitted on, how well halves of the fit agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from codi_core.engine.engine import Engine
from codi_core.errors import LensError
from codi_core.keys import key_of
from codi_core.lenses.fitting import JacobianSpec, Sums
from codi_core.lenses.jacobian import JacobianLens, Variant
from codi_core.lenses.judging import judge
from codi_core.lenses.latents import Progress, collect_latents
from codi_core.lenses.logit import LogitLens
from codi_core.models.model import CodiModel
from codi_core.models.prompts import clean_question
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled
from codi_core.values.lens import JacobianCard
from codi_core.values.questions import question_digest

TOKENS = 500
"""Spread over the vocabulary: those whose directions are compared between halves, at most."""


def jacobian_lenses(
    engine: Engine,
    spec: JacobianSpec,
    variants: Sequence[Variant],
    sums: Sums,
    questions: Sequence[str],
    held_out: Sequence[str],
    progress: Progress,
    check_cancelled: CheckCancelled,
) -> Iterator[tuple[JacobianLens, JacobianCard]]:
    """Raises LensError when a Jacobian has no finite value in float16, in which lenses are kept."""
    model = engine.model
    indices = range(spec.passes + 1)
    judged = collect_latents(engine, held_out, indices, progress, check_cancelled)
    plain = judge(model, LogitLens(), judged, indices)
    digests = tuple(question_digest(clean_question(question)) for question in questions)
    for variant in variants:
        lens = JacobianLens(f"jlens:{variant.name}", _kept(sums.mean(variant, spec.passes), variant).to(model.device))
        own = judge(model, lens, judged, indices)
        halves = [sums.mean(variant, spec.passes, (half,)) for half in (0, 1)] if all(sums.counts) else []
        norms = sums.norms[variant.target if variant.path != "z" else f"{variant.target}-z"]
        yield (
            lens,
            JacobianCard(
                name=lens.name,
                model=model.spec,
                key=key_of([sums.identity, variant.name, sums.counts]),
                indices=variant.sources(spec.passes),
                train_set=spec.train_set,
                held_out_set=spec.held_out_set,
                n_latents=sum(sums.counts) * len(variant.sources(spec.passes) or [0]),
                n_held_out=len(held_out),
                seed=spec.seed,
                kl=own.kl,
                kl_plain=plain.kl,
                agree=own.agree,
                agree_plain=plain.agree,
                questions=digests,
                n_prompts=sum(sums.counts),
                passes=spec.passes,
                norms=(median(norms), max(norms)),
                half_cosine=_cosine(halves[0], halves[1], 2) if halves else np.zeros(lens.jacobians.shape[:2], np.float32),
                direction_cosine=_directions(model, halves[0], halves[1]) if halves else np.zeros(lens.jacobians.shape[:2], np.float32),
            ),
        )


def _kept(jacobians: Tensor, variant: Variant) -> Tensor:
    half = jacobians.half()
    if not torch.isfinite(half).all():
        raise LensError(
            f"The Jacobians of {variant.name} reach {float(jacobians.abs().max()):.3g}, beyond float16: fit on other questions."
        )
    return half


def _cosine(first: Tensor, second: Tensor, dims: int) -> Floats:
    """Over the last ``dims`` axes together; 0 where one is zero."""
    cosine: Floats = F.cosine_similarity(first.flatten(-dims), second.flatten(-dims), dim=-1).numpy()
    return cosine


def _directions(model: CodiModel, first: Tensor, second: Tensor) -> Floats:
    """``[index depth]``: mean cosine between the directions ``Jᵀw`` of a token from two halves."""
    tokens = torch.linspace(0, model.vocab_size - 1, min(TOKENS, model.vocab_size)).long()
    outputs = model.output_rows(tokens).cpu()
    found = [_cosine(outputs @ a, outputs @ b, 1).mean() for a, b in zip(first.flatten(0, 1), second.flatten(0, 1), strict=True)]
    return np.array(found, np.float32).reshape(first.shape[:2])
