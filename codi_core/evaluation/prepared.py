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
from dataclasses import dataclass

import numpy as np
import torch

from codi_core.device import available_memory, is_out_of_memory
from codi_core.engine.answers import parse_number
from codi_core.engine.cache import Cache, Prefix
from codi_core.engine.editors import edits_by_site
from codi_core.engine.engine import Engine
from codi_core.engine.steps import Latents, OnStep, nothing
from codi_core.errors import DataError, InterventionError, MemoryLimitError
from codi_core.evaluation.answering import Answered, Draft, answer
from codi_core.evaluation.golds import Gold, gold_of
from codi_core.evaluation.outcomes import outcome_of
from codi_core.steering.conditions import Condition
from codi_core.steering.edits import BatchEditor, Edit, edit_slots, edit_states
from codi_core.steering.rows import Directions, Rows
from codi_core.types import Question, RolloutConfig, ScoredRun

BATCH_TOKENS = {"cpu": 8_192, "cuda": 65_536, "mps": 16_384}
"""Tokens a batch may hold, by device type."""
BATCH_ROWS = {"cpu": 100, "cuda": 1_024, "mps": 256}
"""Questions of a batch: few enough that an estimate comes soon and gets better often."""
WINDOW = 4
"""Batches among which questions of similar length are dealt out."""
ROWS_AT_ONCE = {"cpu": 1_024, "cuda": 8_192, "mps": 1_024}
"""Rows (conditions × questions) of one forward pass."""
KEPT_SHARE = 0.4
"""Of the free memory, for prompts kept between conditions; those of a larger eval set are prefilled again each time."""
ANSWER_SLOTS = 6
"""Slots a cache starts with for eot and the answer; it grows when they do not suffice."""
TEXTS_KEPT = 50_000
"""Different answers whose text is remembered: strong pushes of a large grid give ever new ones."""


@dataclass(frozen=True)
class Plan:
    """The shape of a computation, which rounding depends on."""

    first: int
    """First pass to run; beyond ``passes`` = none."""
    own: int
    """First cache slot that each condition has for itself; those before it are shared."""
    passes: int
    conditions: int


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
        self._golds = [gold_of(engine.model, question.gold) for question in questions]
        self._batches = self._plan_batches()
        self._keep = int(available_memory(engine.model.device) * KEPT_SHARE) if keep_bytes is None else keep_bytes
        self._rows: dict[int, Rows] = {}
        self._prefixes: dict[int, Prefix] = {}
        self._drafts: dict[tuple[int, int], list[Draft]] = {}
        self._baselines: dict[tuple[int, Plan], list[Answered]] = {}
        self._texts: dict[tuple[int, ...], tuple[str, float | None]] = {}

    def __len__(self) -> int:
        return len(self.questions)

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
        return max(1, min(BATCH_ROWS[device], BATCH_TOKENS[device] // tokens))

    # What a viewer asks for

    def prepare(self, on_step: OnStep = nothing, progress: Callable[[int, int], None] | None = None) -> None:
        """Roll every question out now; otherwise each batch is when it is first needed."""
        done = 0
        for number, batch in enumerate(self._batches):
            with self.engine.exclusively():
                self._batch(number, on_step)
            done += len(batch)
            if progress:
                progress(done, len(self))

    def answers_of(
        self, number: int, conditions: Sequence[Condition], directions: Directions | None = None, on_step: OnStep = nothing
    ) -> list[ScoredRun]:
        """Batch ``number`` under each condition. Raises InterventionError naming the coefficient when the logits are not numbers."""
        names = [condition.doses for condition in conditions]
        with self.engine.exclusively(), _readable_memory():
            edits = self.edits_of(number, conditions, directions, on_step)
            return self._scored(number, self._answered(number, edits, plan_of(conditions), names, on_step))

    def baseline_of(self, number: int, conditions: Sequence[Condition], on_step: OnStep = nothing) -> list[ScoredRun]:
        """What `answers_of` would give unsteered, one a condition, computed in the same shapes; kept."""
        plan = plan_of(conditions)
        if (number, plan) not in self._baselines:
            with self.engine.exclusively(), _readable_memory():
                names = ["coefficient 0"] * plan.conditions
                self._baselines[number, plan] = self._answered(number, [()] * plan.conditions, plan, names, on_step)
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

    def _batch(self, number: int, on_step: OnStep) -> tuple[Rows, Prefix]:
        """Latents, which are always kept, and prompts followed by all latents, which are while they fit."""
        if number in self._rows and number in self._prefixes:
            return self._rows[number], self._prefixes[number]
        on_step()
        prompts = self.engine.prefill([self._prompts[question] for question in self._batches[number]])
        if number not in self._rows:
            self._rows[number] = self._think_unsteered(number, prompts, on_step)
        rows = self._rows[number]
        prefix = prompts.extended(rows.keys, rows.values)
        size = prefix.keys.nbytes + prefix.values.nbytes
        if size <= self._keep:
            self._keep -= size
            self._prefixes[number] = prefix
        return rows, prefix

    def _think_unsteered(self, number: int, prefix: Prefix, on_step: OnStep) -> Rows:
        cache = self.engine.open_cache(prefix, slots=self.config.passes + 1)
        latents = self.engine.think(cache, self.config.passes, on_step=on_step)
        ids = tuple(self.questions[question].id for question in self._batches[number])
        donors = _Donors(self, number)
        return Rows(self.engine.model, ids, prefix.lengths, latents.h, latents.z, cache.keys, cache.values, donors)

    def edits_of(
        self, number: int, conditions: Sequence[Condition], directions: Directions | None, on_step: OnStep
    ) -> list[tuple[Edit, ...]]:
        rows, _ = self._batch(number, on_step)
        return [tuple(edit for method in condition.interventions for edit in method.edits(rows, directions)) for condition in conditions]

    def expected(self, number: int, passes: int, on_step: OnStep) -> tuple[list[Draft], list[Gold], int]:
        """Of a batch: drafts, gold answers and the limit of an answer."""
        return (
            self._draft(number, passes, on_step),
            [self._golds[question] for question in self._batches[number]],
            self.config.max_new_tokens,
        )

    def _answered(self, number: int, edits: Sequence[Sequence[Edit]], plan: Plan, names: Sequence[str], on_step: OnStep) -> list[Answered]:
        cache, _ = self.think_on(number, edits, plan, on_step)
        return answer(self.engine, cache, *self.expected(number, plan.passes, on_step), names, on_step)

    def think_on(
        self, number: int, edits: Sequence[Sequence[Edit]], plan: Plan, on_step: OnStep = nothing, record: bool = False
    ) -> tuple[Cache, Latents | None]:
        """Rows of every condition after their passes, and what the passes that ran anew gave."""
        rows, prefix = self._batch(number, on_step)
        cache = self._fork(rows, prefix, plan)
        if plan.first > 0:
            edit_slots(cache, edits, plan.first - 1)
        if plan.first > plan.passes:
            return cache, None
        z = None
        if plan.first > 0:
            h = edit_states(rows.h[:, plan.first - 1].repeat(len(edits), 1), edits, "h", plan.first - 1)
            z = edit_states(self.engine.model.project(h), edits, "z", plan.first - 1)
        later = [[edit for edit in own if edit.index >= plan.first] for own in edits]
        by_site = edits_by_site([BatchEditor(later)], plan.passes, self.engine.model.n_layers)
        return cache, self.engine.think(cache, plan.passes, by_site, record, on_step, z)

    def _fork(self, rows: Rows, prefix: Prefix, plan: Plan) -> Cache:
        """Slots before the first pass to run: those that no edit touches are shared, the others copied for every condition."""
        prefix = prefix.shortened(self.config.passes + 1 - plan.own)
        copied, room = plan.first - plan.own, plan.passes + 1 - plan.own + ANSWER_SLOTS
        cache = self.engine.open_cache(prefix, plan.conditions, room, plan.own)
        for own, kept in ((cache.keys, rows.keys), (cache.values, rows.values)):
            by_condition = own.view(-1, plan.conditions, rows.keys.shape[1], *own.shape[2:])
            by_condition[:, :, :, :, :copied] = kept[:, None, :, :, plan.own : plan.first]
        cache.length = copied
        return cache

    def _draft(self, number: int, passes: int, on_step: OnStep) -> list[Draft]:
        """Unsteered answers after ``passes`` passes, decoded token by token."""
        if (number, passes) not in self._drafts:
            rows, prefix = self._batch(number, on_step)
            answers = self.engine.decode(
                self._fork(rows, prefix, Plan(passes + 1, passes + 1, passes, 1)), self.config.max_new_tokens, on_step
            )
            self._drafts[number, passes] = [Draft(tuple(ids), ended) for ids, ended in zip(answers.ids, answers.finished, strict=True)]
        return self._drafts[number, passes]

    def _scored(self, number: int, answered: Sequence[Answered]) -> list[ScoredRun]:
        return [self._run(self._batches[number], one) for one in answered]

    def _run(self, numbers: Sequence[int], answered: Answered) -> ScoredRun:
        """Tensors → values."""
        read = [self._text(draft.ids) for draft in answered.answers]
        outcomes = [
            outcome_of(parsed, draft.finished, self.questions[number].gold)
            for number, draft, (_, parsed) in zip(numbers, answered.answers, read, strict=True)
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

    def __call__(self, prompt: str, seed: int) -> Rows:
        return self._prompt(prompt) if prompt else self._others(seed)

    def _prompt(self, prompt: str) -> Rows:
        """One row, which stands for all."""
        engine, config = self._set.engine, self._set.config
        prefix = engine.prefill([engine.prompt(prompt, config).ids])
        cache = engine.open_cache(prefix, slots=config.passes + 1)
        latents = engine.think(cache, config.passes)
        return Rows(engine.model, (prompt,), prefix.lengths, latents.h, latents.z, cache.keys, cache.values)

    def _others(self, seed: int) -> Rows:
        """For every question another one with another answer; which one depends on the question and the seed alone."""
        batches = self._set._batches
        where = {question: (number, row) for number, batch in enumerate(batches) for row, question in enumerate(batch)}
        picked = [where[self._other(question, seed)] for question in batches[self._number]]
        given = [(self._set._batch(number, nothing)[0], row) for number, row in picked]
        return Rows(
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
