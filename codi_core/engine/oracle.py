"""The same rollout in the plainest way: batch 1, no cache, the whole sequence again at every step. For tests and ``selfcheck``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from codi_core.engine.editors import Editor, Site, edited, edits_by_site
from codi_core.models.model import CodiModel
from codi_core.values.model import RolloutConfig


@dataclass(frozen=True, eq=False)
class OracleRollout:
    answer_ids: list[int]
    h: Tensor
    """``[index d_model]``"""
    z: Tensor
    """``[index d_model]``"""


@torch.inference_mode()
def oracle_rollout(model: CodiModel, question: str, config: RolloutConfig, editors: Sequence[Editor] = ()) -> OracleRollout:
    """Editors of z and h only."""
    edits = edits_by_site(editors, config.passes, model.n_layers)
    sequence, h_all, z_all = _embed(model, model.build_prompt(question)), [], []
    for index in range(config.passes + 1):
        h = edited(edits.get(Site("h", index), ()), Site("h", index), _last_hidden(model, sequence))
        z = edited(edits.get(Site("z", index), ()), Site("z", index), model.project(h))
        h_all.append(h[0])
        z_all.append(z[0])
        if index < config.passes:
            sequence = torch.cat([sequence, z[:, None]], 1)
    sequence = torch.cat([sequence, _embed(model, model.after_latents)], 1)
    answer: list[int] = []
    while len(answer) < config.max_new_tokens:
        logits = model.lm_head(_last_hidden(model, sequence))
        logits[:, list(model.masked)] = float("-inf")
        token = int(logits.argmax())
        if token == model.ids.eos and (answer or not model.family.first_token_may_be_eos):
            break
        answer.append(token)
        sequence = torch.cat([sequence, model.embed_written(torch.tensor([[token]], device=model.device))], 1)
    return OracleRollout(answer, torch.stack(h_all), torch.stack(z_all))


def _embed(model: CodiModel, ids: list[int]) -> Tensor:
    return model.embed(torch.tensor([ids], device=model.device))


def _last_hidden(model: CodiModel, sequence: Tensor) -> Tensor:
    """``[1 t d_model]`` → post-norm hidden state of the last token ``[1 d_model]``"""
    hidden: Tensor = model.body(sequence)
    return hidden[:, -1].contiguous()
