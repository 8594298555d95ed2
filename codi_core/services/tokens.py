"""A prompt as the model sees it, before anything is run."""

from __future__ import annotations

from dataclasses import dataclass

from codi_core.engine.engine import Engine
from codi_core.services.shared.workbench import Workbench
from codi_core.values.callbacks import CheckCancelled, OnWait

SHOWN = 600
"""Tokens worth looking at."""


@dataclass(frozen=True)
class PromptTokens:
    tokens: tuple[tuple[str, bool], ...]
    """Text, and whether it is a special one (bos, eos, bot), of the first `SHOWN` tokens."""
    total: int


def prompt_tokens(workbench: Workbench, model: str, prompt: str, viewer: str, on_wait: OnWait | None = None) -> PromptTokens:
    """The whole prompt with what the format puts around it. Raises InputError for a blank or overlong one, ModelError as loading does."""

    def work(engine: Engine, check_cancelled: CheckCancelled) -> PromptTokens:
        loaded = engine.model
        ids = loaded.build_prompt(prompt)
        special = {loaded.ids.bos, loaded.ids.eos, loaded.ids.bot, loaded.ids.pad}
        return PromptTokens(tuple((loaded.token_text(token), token in special) for token in ids[:SHOWN]), len(ids))

    return workbench.run(model, work, f"{viewer}/tokens", on_wait)
