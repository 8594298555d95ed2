"""Eval sets prepared once: prompts and latents rolled out and kept, so that a condition recomputes only what its edits reach.

    prepare    prompt, passes 0..n                       once per model and eval set
    condition  copies the slots, edits them or the latents, runs the passes from the first one the edits reach, then answers
    answer     one forward pass over eot and the unsteered answer; rows that disagree decode on from where they do

Rows of several conditions lie side by side over the one prefix of their batch. Matrix products round differently for other numbers of rows,
so what a condition is compared with (`PreparedSet.baseline`) is computed in the very same shapes: coefficient 0 equals it bit for bit.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from codi_core.device import available_memory, is_out_of_memory
from codi_core.engine.answers import parse_number
from codi_core.engine.cache import Cache, Prefix
from codi_core.engine.engine import TOKEN_BUDGET, Engine
from codi_core.engine.steps import Latents, nothing
from codi_core.errors import DataError, InterventionError, MemoryLimitError
from codi_core.evaluation.golds import Gold, gold_of
from codi_core.evaluation.outcomes import outcome_of
from codi_core.evaluation.rolled import ANSWER_SLOTS, Plan, Rolled, roll_out
from codi_core.evaluation.speculative import Answered, Draft, fed_at_once, verify_draft
from codi_core.steering.conditions import Condition
from codi_core.steering.context import BatchContext, Directions
from codi_core.steering.edits import Edit
from codi_core.values.callbacks import CheckCancelled
from codi_core.values.evals import ScoredRun
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import Question

BATCH_ROWS = {"cpu": 100, "cuda": 1_024, "mps": 256}
"""Questions of a batch: few enough that an estimate comes soon and gets better often."""
WINDOW = 4
"""Batches among which questions of similar length are dealt out."""
ROWS_AT_ONCE = {"cpu": 1_024, "cuda": 8_192, "mps": 1_024}
"""Rows (conditions × questions) of one forward pass."""
KEPT_SHARE = 0.4
"""Of the free memory, for prompts kept between conditions; those of a larger eval set are prefilled again each time."""
TEXTS_KEPT = 50_000
"""Different answers whose text is remembered: strong pushes of a large grid give ever new ones."""


def plan_of(conditions: Sequence[Condition]) -> Plan:
    """How conditions run together. They must run the same number of passes."""
    passes = conditions[0].passes
    assert all(condition.passes == passes for condition in conditions)
    first, own = (min(getattr(condition, name) for condition in conditions) for name in ("first_pass", "first_slot"))
    return Plan(min(first, passes + 1), min(own, passes + 1), passes, len(conditions))


class PreparedSet:
    """One model's eval set. For one thread; the engine is held for one batch at a time."""

    def __init__(self, engine: Engine, questions: Sequence[Question], config: RolloutConfig, keep_bytes: int | None = None) -> None:
        """``keep_bytes``: for prompts; None = a share of the free memory.

        Raises DataError when there is no question, InputError for one the model cannot read.
        """
        if not questions:
            raise DataError("The eval set has no usable question: name one with at least one row.")
        self.engine, self.questions, self.config = engine, tuple(questions), config
        self._prompts = [engine.prompt(question.question, config).ids for question in questions]
        self._golds = [gold_of(engine.model, question) for question in questions]
        self._batches = self._plan_batches()
        self._keep = int(available_memory(engine.model.device) * KEPT_SHARE) if keep_bytes is None else keep_bytes
        self._rows: dict[int, BatchContext] = {}
        self._prefixes: dict[int, Prefix] = {}
        self._recorded: tuple[int, Tensor] | None = None
        self._drafts: dict[tuple[int, int], list[Draft]] = {}
        self._baselines: dict[tuple[int, Plan], list[Answered]] = {}
        self._texts: dict[tuple[int, ...], tuple[str, float | None]] = {}

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def bytes_kept(self) -> int:
        """Of prompts, between conditions."""
        return sum(prefix.keys.nbytes + prefix.values.nbytes for prefix in self._prefixes.values())

    def _plan_batches(self) -> list[list[int]]:
        """Questions whose gold answer is one token apart from the others, whose scores cost a pass of their own.

        Each kind is sorted by prompt length and cut into windows of a few batches; a window is dealt out to its batches, so that little
        is padding and yet the first batches are no easier than the rest.
        """
        batches: list[list[int]] = []
        for long in (False, True):
            numbers = [number for number, gold in enumerate(self._golds) if (len(gold.ids) > 1) == long]
            numbers.sort(key=lambda number: (len(self._prompts[number]), number))
            while numbers:
                size = self._batch_size(numbers)
                window, numbers = numbers[-WINDOW * size :], numbers[: -WINDOW * size]
                share = -(-len(window) // size)
                batches += [window[first::share] for first in range(share)]
        random.Random(0).shuffle(batches)
        return batches

    def _batch_size(self, numbers: Sequence[int]) -> int:
        """Rows that fit when each is as long as the longest, the last."""
        device = self.engine.model.device.type
        tokens = len(self._prompts[numbers[-1]]) + self.config.passes + ANSWER_SLOTS
        return max(1, min(BATCH_ROWS[device], TOKEN_BUDGET[device] // tokens))

    # What a viewer asks for

    def prepare(self, check_cancelled: CheckCancelled = nothing, progress: Callable[[int, int], None] | None = None) -> None:
        """Roll every question out now; otherwise each batch is when it is first needed."""
        done = 0
        for number, batch in enumerate(self._batches):
            with self.engine.exclusively():
                self._batch(number, check_cancelled)
            done += len(batch)
            if progress:
                progress(done, len(self))

    def answers_of(
        self, number: int, conditions: Sequence[Condition], directions: Directions | None = None, check_cancelled: CheckCancelled = nothing
    ) -> list[ScoredRun]:
        """Batch ``number`` under each condition. Raises InterventionError naming the coefficient when the logits are not numbers."""
        names = [condition.doses for condition in conditions]
        with self.engine.exclusively(), _readable_memory():
            edits = self.edits_of(number, conditions, directions, check_cancelled)
            return self._scored(number, self._answered(number, edits, plan_of(conditions), names, check_cancelled))

    def baseline_of(self, number: int, conditions: Sequence[Condition], check_cancelled: CheckCancelled = nothing) -> list[ScoredRun]:
        """What `answers_of` would give unsteered, one a condition, computed in the same shapes; kept."""
        plan = plan_of(conditions)
        if (number, plan) not in self._baselines:
            with self.engine.exclusively(), _readable_memory():
                names = ["coefficient 0"] * plan.conditions
                self._baselines[number, plan] = self._answered(number, [()] * plan.conditions, plan, names, check_cancelled)
        return self._scored(number, self._baselines[number, plan])

    @property
    def batches(self) -> tuple[tuple[int, ...], ...]:
        """Places in the eval set of the questions of every batch, in the order they are worked on."""
        return tuple(map(tuple, self._batches))

    def groups(self, conditions: Sequence[Condition]) -> list[list[int]]:
        """Numbers of the conditions that run together: same passes, same first pass, as many as fit a forward pass."""
        at_once = max(1, ROWS_AT_ONCE[self.engine.model.device.type] // max(map(len, self._batches)))
        alike: dict[Plan, list[int]] = {}
        for number, condition in enumerate(conditions):
            alike.setdefault(plan_of([condition]), []).append(number)
        return [same[start : start + at_once] for same in alike.values() for start in range(0, len(same), at_once)]

    # What it takes; all below is called with the engine held

    def _latents(self, number: int, check_cancelled: CheckCancelled) -> BatchContext:
        """Of a batch, unsteered; kept."""
        if number not in self._rows:
            self._batch(number, check_cancelled)
        return self._rows[number]

    def _batch(self, number: int, check_cancelled: CheckCancelled) -> Rolled:
        """Latents, which are always kept, and prompts followed by all latents, which are while they fit."""
        if number in self._prefixes:
            return Rolled(self.engine, self._rows[number], self._prefixes[number])
        check_cancelled()
        prompts = self.engine.prefill([self._prompts[question] for question in self._batches[number]])
        if number not in self._rows:
            names = tuple(self.questions[question].id for question in self._batches[number])
            rolled = roll_out(self.engine, prompts, names, self.config.passes, _Donors(self, number), check_cancelled)
            self._rows[number] = replace(rolled, resid=partial(self._resid, number))
        rows = self._rows[number]
        prefix = prompts.extended(rows.keys, rows.values)
        size = prefix.keys.nbytes + prefix.values.nbytes
        if size <= self._keep:
            self._keep -= size
            self._prefixes[number] = prefix
        return Rolled(self.engine, rows, prefix)

    def _resid(self, number: int) -> Tensor:
        """``[row index depth d_model]`` of a batch, unsteered; only the last asked for are kept."""
        if self._recorded is None or self._recorded[0] != number:
            cache = self.engine.open_cache(self.engine.prefill([self._prompts[question] for question in self._batches[number]]))
            latents = self.engine.think(cache, self.config.passes, record=True)
            assert latents.resid is not None
            self._recorded = (number, latents.resid)
        return self._recorded[1]

    def edits_of(
        self, number: int, conditions: Sequence[Condition], directions: Directions | None, check_cancelled: CheckCancelled
    ) -> list[tuple[Edit, ...]]:
        rows = self._latents(number, check_cancelled)
        return [tuple(edit for method in condition.interventions for edit in method.edits(rows, directions)) for condition in conditions]

    def expected(self, number: int, passes: int, check_cancelled: CheckCancelled) -> tuple[list[Draft], list[Gold], int]:
        """Of a batch: drafts, gold answers and the limit of an answer."""
        return (
            self._draft(number, passes, check_cancelled),
            [self._golds[question] for question in self._batches[number]],
            self.config.max_new_tokens,
        )

    def _answered(
        self, number: int, edits: Sequence[Sequence[Edit]], plan: Plan, names: Sequence[str], check_cancelled: CheckCancelled
    ) -> list[Answered]:
        drafts, golds, limit = self.expected(number, plan.passes, check_cancelled)
        room = fed_at_once(self.engine.model, drafts, golds)
        cache, _ = self._batch(number, check_cancelled).think_on(edits, plan, check_cancelled, room=room)
        return verify_draft(self.engine, cache, drafts, golds, limit, names, check_cancelled)

    def think_on(
        self, number: int, edits: Sequence[Sequence[Edit]], plan: Plan, check_cancelled: CheckCancelled = nothing, record: bool = False
    ) -> tuple[Cache, Latents | None]:
        """Rows of every condition after their passes, and what the passes that ran anew gave."""
        return self._batch(number, check_cancelled).think_on(edits, plan, check_cancelled, record)

    def _draft(self, number: int, passes: int, check_cancelled: CheckCancelled) -> list[Draft]:
        """Unsteered answers after ``passes`` passes, decoded token by token."""
        if (number, passes) not in self._drafts:
            cache = self._batch(number, check_cancelled).fork(Plan(passes + 1, passes + 1, passes, 1))
            answers = self.engine.decode(cache, self.config.max_new_tokens, check_cancelled)
            self._drafts[number, passes] = [Draft(tuple(ids), ended) for ids, ended in zip(answers.ids, answers.finished, strict=True)]
        return self._drafts[number, passes]

    def _scored(self, number: int, answered: Sequence[Answered]) -> list[ScoredRun]:
        return [self._run(self._batches[number], one) for one in answered]

    def _run(self, numbers: Sequence[int], answered: Answered) -> ScoredRun:
        """Tensors → values."""
        read = [self._text(draft.ids) for draft in answered.answers]
        outcomes = [
            outcome_of(text, draft.finished, self.questions[number])
            for number, draft, (text, _) in zip(numbers, answered.answers, read, strict=True)
        ]
        return ScoredRun(
            numbers=np.array(numbers),
            answers=tuple(text for text, _ in read),
            parsed=np.array([np.nan if parsed is None else parsed for _, parsed in read]),
            outcomes=np.array(outcomes),
            p_gold=answered.p_gold,
            margin=answered.margin,
        )

    def _text(self, ids: tuple[int, ...]) -> tuple[str, float | None]:
        if ids not in self._texts:
            if len(self._texts) >= TEXTS_KEPT:
                self._texts.clear()
            text = self.engine.model.decode(list(ids))
            self._texts[ids] = text, parse_number(text)
        return self._texts[ids]


class _Donors:
    """Latents of other questions for those of one batch."""

    def __init__(self, prepared: PreparedSet, number: int) -> None:
        self._set, self._number = prepared, number

    def __call__(self, prompt: str, seed: int) -> BatchContext:
        return self._prompt(prompt) if prompt else self._others(seed)

    def _prompt(self, prompt: str) -> BatchContext:
        """One row, which stands for all."""
        engine, config = self._set.engine, self._set.config
        return roll_out(engine, engine.prefill([engine.prompt(prompt, config).ids]), (prompt,), config.passes)

    def _others(self, seed: int) -> BatchContext:
        """For every question another one with another answer; which one depends on the question and the seed alone."""
        batches = self._set._batches
        where = {question: (number, row) for number, batch in enumerate(batches) for row, question in enumerate(batch)}
        picked = [where[self._other(question, seed)] for question in batches[self._number]]
        given = [(self._set._latents(number, nothing), row) for number, row in picked]
        return BatchContext(
            model=self._set.engine.model,
            ids=tuple(rows.ids[row] for rows, row in given),
            positions=torch.stack([rows.positions[row] for rows, row in given]),
            h=torch.stack([rows.h[row] for rows, row in given]),
            z=torch.stack([rows.z[row] for rows, row in given]),
            keys=torch.stack([rows.keys[:, row] for rows, row in given], 1),
            values=torch.stack([rows.values[:, row] for rows, row in given], 1),
        )

    def _other(self, question: int, seed: int) -> int:
        questions = self._set.questions
        rng = np.random.default_rng([seed, zlib.crc32(questions[question].id.encode())])
        for other in rng.permutation(len(questions)).tolist():
            if questions[other].gold != questions[question].gold:
                return int(other)
        raise InterventionError("No other question of the eval set has another answer: take a larger set, or name a donor prompt.")


@contextmanager
def _readable_memory() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryLimitError("The conditions do not fit in memory together: use another device or dtype, or fewer questions.") from error
