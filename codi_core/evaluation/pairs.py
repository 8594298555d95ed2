"""Which questions are patched into which: alike in wording and length, answered right, with another answer (or the same)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from codi_core.engine.engine import Engine
from codi_core.evaluation.outcomes import outcome_of
from codi_core.evaluation.patching import Change, Pair
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled
from codi_core.values.model import Rollout, RolloutConfig
from codi_core.values.patching import Donor
from codi_core.values.questions import Question

CANDIDATES, FEWEST = 8, 160
"""Questions answered for every pair wanted, and at least: only those answered right can be in one."""
AT_ONCE = 64
"""Residuals of so many questions are on the host together."""
Picked = tuple[Question, Question, Question]
"""Source, target, and where cells are taken from."""


def pick_pairs(questions: Sequence[Question], rollouts: Sequence[Rollout], n: int, donor: Donor, seed: int = 0) -> list[Picked]:
    """At most ``n``, each question once a target, from one template and of as many tokens as its source and donor.

    ``same``: source and target have the same answer and other numbers. ``other``: the donor is a third question with a third answer.
    """
    groups: dict[tuple[str, int], list[Question]] = defaultdict(list)
    for question, rollout in zip(questions, rollouts, strict=True):
        if outcome_of(rollout.answer, rollout.finished, question) == "correct":
            groups[question.template, len(rollout.input_ids)].append(question)
    order, found = np.random.default_rng(seed), []
    places = [(group, place) for group, members in groups.items() for place in range(len(members))]
    for number in order.permutation(len(places)).tolist():
        group, place = places[number]
        members, target = groups[group], groups[group][place]
        others = [members[other] for other in order.permutation(len(members)).tolist() if other != place]
        sources = [other for other in others if (other.gold == target.gold) == (donor == "same")]
        thirds = [other for other in others if sources and other.gold not in (target.gold, sources[0].gold)]
        if sources and (donor != "other" or thirds):
            found.append((sources[0], target, thirds[0] if donor == "other" else sources[0]))
        if len(found) == n:
            break
    return found


def as_pairs(picked: Sequence[Picked]) -> list[Pair]:
    return [
        Pair(f"{source.id} → {target.id}", source.question, target.question, "" if donor is source else donor.question)
        for source, target, donor in picked
    ]


def template_means(
    engine: Engine, questions: Sequence[Question], config: RolloutConfig, picked: Sequence[Picked], check_cancelled: CheckCancelled
) -> Change:
    """In place of a cell its mean over the questions of the source's template."""
    wanted = {source.template for source, _, _ in picked}
    used = [question for question in questions if question.template in wanted]
    sums: dict[str, Floats] = {}
    counts: dict[str, int] = defaultdict(int)
    for first in range(0, len(used), AT_ONCE):
        batch = used[first : first + AT_ONCE]
        rollouts = engine.rollout([question.question for question in batch], config, check_cancelled=check_cancelled)
        for question, rollout in zip(batch, rollouts, strict=True):
            resid = rollout.resid.copy()
            resid[1:, 0] = rollout.z[:-1]  # without the position that GPT-2 adds
            sums[question.template] = resid + sums.get(question.template, np.float32(0))
            counts[question.template] += 1
    pairs = zip(as_pairs(picked), picked, strict=True)
    means = {pair.name: sums[source.template] / counts[source.template] for pair, (source, _, _) in pairs}

    def change(names: tuple[str, ...], index: int, depth: int, values: Tensor) -> Tensor:
        return torch.from_numpy(np.stack([means[name][index, depth] for name in names])).to(values.device)

    return change
