"""Whole rollouts: questions in, values out, in batches that do not change the numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from codi_core.device import halve_on_oom
from codi_core.engine.answers import parse_number
from codi_core.engine.batching import plan_batches
from codi_core.engine.editors import Editor, edits_by_site
from codi_core.engine.steps import Edits, Generated, Latents, Steps, nothing
from codi_core.errors import InputError
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled, OnProgress
from codi_core.values.model import ChainOfThought, Rollout, RolloutConfig, RunMode, TopToken

TOP_ANSWERS = 10
TOKEN_BUDGET = {"cpu": 8_192, "cuda": 65_536, "mps": 16_384}
"""Tokens a batch may hold, by device type."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Prompt:
    question: str
    ids: list[int]
    """Bot included."""


class Engine(Steps):
    """Runs one model. Calls from several threads take turns; the model is the same after every call."""

    def rollout(
        self,
        questions: Sequence[str],
        config: RolloutConfig,
        editors: Sequence[Editor] = (),
        batch_size: int | None = None,
        progress: OnProgress | None = None,
        check_cancelled: CheckCancelled | None = None,
        record: bool = True,
    ) -> list[Rollout]:
        """Roll questions out, in the order given. ``record`` False leaves out resid, keys and values (large evaluations).

        Editors see the rows of a batch in no particular order. ``progress(done, total)`` follows every batch; ``check_cancelled`` runs
        before every forward pass and may raise, Cancelled say. Raises InputError for a question that is blank or too long,
        InterventionError for a site outside the rollout, MemoryLimitError when a single question does not fit.
        """
        edits = edits_by_site(editors, config.passes, self.model.n_layers)
        prompts = [self.prompt(question, config) for question in questions]

        def run(batch: Sequence[Prompt]) -> list[Rollout]:
            with self.exclusively():
                return self._rollout_batch(batch, config, edits, record, check_cancelled or nothing)

        return self._in_batches(prompts, run, config.passes + 2 + config.max_new_tokens, batch_size, progress)

    def cot(
        self,
        questions: Sequence[str],
        max_new_tokens: int = 128,
        batch_size: int | None = None,
        progress: OnProgress | None = None,
        check_cancelled: CheckCancelled | None = None,
    ) -> list[ChainOfThought]:
        """Let the model think in words, as its teacher half was trained to: the prompt with bot, then greedily to eos, eot not masked.

        Raises InputError for a family that was not trained to.
        """
        self._check_mode("explicit")
        prompts = [self.prompt(question, RolloutConfig(0, max_new_tokens)) for question in questions]
        return self._write(prompts, self._chain, (), max_new_tokens, batch_size, progress, check_cancelled)

    def direct(
        self,
        questions: Sequence[str],
        max_new_tokens: int = 32,
        batch_size: int | None = None,
        progress: OnProgress | None = None,
        check_cancelled: CheckCancelled | None = None,
    ) -> list[ChainOfThought]:
        """Answer at once, without a thought: the prompt with eot in the place of bot. The chain is empty.

        Raises InputError for a family that was not trained to.
        """
        self._check_mode("direct")
        found = [self.prompt(question, RolloutConfig(0, max_new_tokens)) for question in questions]
        prompts = [Prompt(prompt.question, [*prompt.ids[:-1], *self.model.after_latents]) for prompt in found]
        return self._write(prompts, self._answered, self.model.masked, max_new_tokens, batch_size, progress, check_cancelled)

    def _check_mode(self, mode: RunMode) -> None:
        if mode not in self.model.family.modes:
            known = " or ".join(self.model.family.modes)
            raise InputError(f"{self.model.family.label} was not trained to answer in mode {mode}: use {known}.")

    def _write(
        self,
        prompts: list[Prompt],
        read: Callable[[Prompt, list[int], bool], ChainOfThought],
        masked: Sequence[int],
        max_new_tokens: int,
        batch_size: int | None,
        progress: OnProgress | None,
        check_cancelled: CheckCancelled | None,
    ) -> list[ChainOfThought]:
        """Go on from the last id of the prompts, which is the same in all, greedily to eos."""

        def run(batch: Sequence[Prompt]) -> list[ChainOfThought]:
            with self.exclusively():
                cache = self.open_cache(self.prefill([prompt.ids for prompt in batch]))
                written = self.generate(cache, [batch[0].ids[-1]], masked, max_new_tokens, check_cancelled or nothing)
            return [read(*row) for row in zip(batch, written.ids, written.finished, strict=True)]

        return self._in_batches(prompts, run, 1 + max_new_tokens, batch_size, progress)

    def prompt(self, question: str, config: RolloutConfig) -> Prompt:
        """A question as the model reads it. Raises InputError when it is blank, or too long to be rolled out and answered."""
        if config.passes < 0 or config.max_new_tokens < 1:
            raise InputError(f"{config.passes} passes and {config.max_new_tokens} new tokens: passes start at 0, new tokens at 1.")
        text = self.model.as_read(question)
        ids = self.model.build_prompt(text)
        needed = len(ids) + config.passes + len(self.model.after_latents) + config.max_new_tokens
        if needed > self.model.max_positions:
            raise InputError(
                f"The prompt has {len(ids):,} tokens; with passes and answer it needs {needed:,} positions and the model has "
                f"{self.model.max_positions:,}: shorten the prompt."
            )
        return Prompt(text, ids)

    def _in_batches(
        self,
        prompts: list[Prompt],
        run: Callable[[Sequence[Prompt]], list[Result]],
        extra_tokens: int,
        batch_size: int | None,
        progress: OnProgress | None,
    ) -> list[Result]:
        """Results in the order of ``prompts``, run by length."""
        budget = TOKEN_BUDGET[self.model.device.type]
        done: dict[int, Result] = {}
        for batch in plan_batches([len(prompt.ids) for prompt in prompts], batch_size, extra_tokens, budget):
            done.update(zip(batch, halve_on_oom(run, [prompts[number] for number in batch]), strict=True))
            if progress:
                progress(len(done), len(prompts))
        return [done[number] for number in range(len(prompts))]

    def _rollout_batch(
        self, prompts: Sequence[Prompt], config: RolloutConfig, edits: Edits, record: bool, check_cancelled: CheckCancelled
    ) -> list[Rollout]:
        check_cancelled()
        cache = self.open_cache(self.prefill([prompt.ids for prompt in prompts]), slots=config.passes + 9)
        latents = self.think(cache, config.passes, edits, record, check_cancelled)
        slots = [np.empty((cache.rows, 0, 0, 0, 0), np.float32)] * 2
        if record:  # copies: an answer's end moves the others' slots
            slots = [_to_host(part[:, :, :, : cache.length].permute(1, 3, 0, 2, 4).clone()) for part in (cache.keys, cache.values)]
        return self._rollouts(prompts, latents, slots, self.decode(cache, config.max_new_tokens, check_cancelled))

    def _rollouts(self, prompts: Sequence[Prompt], latents: Latents, slots: Sequence[Floats], answers: Generated) -> list[Rollout]:
        """Tensors of a batch → values, one a question. ``slots``: keys and values ``[row slot layer kv_head d_head]``."""
        h, z = _to_host(latents.h), _to_host(latents.z)
        resid = np.empty((len(h), 0, 0, 0), np.float32) if latents.resid is None else _to_host(latents.resid)
        top = self._top_answers(answers.first_logits)
        rollouts = []
        for row, prompt in enumerate(prompts):
            text = self.model.decode(answers.ids[row])
            rollouts.append(
                Rollout(
                    question=prompt.question,
                    input_ids=tuple(prompt.ids),
                    input_tokens=tuple(map(self.model.token_text, prompt.ids)),
                    answer_ids=tuple(answers.ids[row]),
                    answer=text,
                    number=parse_number(text),
                    finished=answers.finished[row],
                    top_answers=top[row],
                    h=h[row],
                    z=z[row],
                    resid=resid[row],
                    keys=slots[0][row],
                    values=slots[1][row],
                )
            )
        return rollouts

    def _top_answers(self, logits: Tensor) -> list[tuple[TopToken, ...]]:
        probs, ids = logits.float().softmax(-1).topk(min(TOP_ANSWERS, logits.shape[-1]))
        return [
            tuple(TopToken(token, self.model.token_text(token), prob) for token, prob in zip(*row, strict=True))
            for row in zip(ids.tolist(), probs.tolist(), strict=True)
        ]

    def _answered(self, prompt: Prompt, ids: list[int], finished: bool) -> ChainOfThought:
        answer = self.model.decode(ids)
        return ChainOfThought(prompt.question, tuple(prompt.ids), tuple(ids), "", answer, parse_number(answer), finished)

    def _chain(self, prompt: Prompt, ids: list[int], finished: bool) -> ChainOfThought:
        eot = self.model.ids.eot
        end = ids.index(eot) if eot in ids else len(ids)
        answer = self.model.decode(ids[end + 1 :])
        return ChainOfThought(
            question=prompt.question,
            input_ids=tuple(prompt.ids),
            output_ids=tuple(ids),
            chain=self.model.decode(ids[:end]),
            answer=answer,
            number=parse_number(answer),
            finished=finished,
        )


def _to_host(tensor: Tensor) -> Floats:
    array: Floats = tensor.to("cpu", torch.float32).numpy()
    return array
