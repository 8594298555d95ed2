"""Attention of a whole sequence, prompt, slots and answer's first query: as it is, by what is written of a key, and through all layers.

Value-weighted attention follows Kobayashi et al. 2020 (arXiv 2004.10102), head by head; the rollout Abnar & Zuidema 2020 (arXiv
2005.00928), written anew and joined over passes. None of them is causal: for that an edge is cut, or a latent replaced.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from codi_core.engine.cache import Cache, Prefix
from codi_core.engine.watch import Watch
from codi_core.evaluation.influence import Prompts, shown_keys
from codi_core.values.influence import Maps


def maps_of(prompts: Prompts) -> Maps:
    """Of one question."""
    model, n, width = prompts.model, prompts.passes, prompts.width
    assert len(prompts.ids) == 1, "rows of one length have no padding that a key could be"
    weights, cache = whole(prompts)
    weights = weights[0]
    queries = [*range(width, width + n + 1), width + prompts.e]
    written = torch.stack([lengths_written(prompts, cache, layer)[0] for layer in range(model.n_layers)])
    links = [(width + index, width + index - 1) for index in range(1, n + 1)] if model.family.feeds_back else []
    rolled = rollout(weights.mean(1), links)
    shown = (weights[:, :, queries], weights[:, :, queries] * written[:, :, None], rolled[queries])
    return Maps(*(shown_keys(prompts, of).cpu().numpy() for of in shown))


def whole(prompts: Prompts) -> tuple[Tensor, Cache]:
    """``[row layer head query key]`` of all tokens, slots and what follows them, queries and keys alike; and the cache that holds them.

    Every input is known after the passes, so that one causal pass is the same as one after another.
    """
    model, rolled, n = prompts.model, prompts.rolled, prompts.passes
    ids = torch.tensor([[*ids, model.ids.bot] for ids in prompts.ids], device=model.device)
    after = torch.tensor(model.after_latents, device=model.device).expand(len(ids), -1)
    inputs = torch.cat([model.embed(ids), rolled.rows.z[:, :n].to(model.dtype), model.embed_written(after)], 1)
    keys = rolled.prefix.keys[:, :, :, :0]
    nothing = Prefix(keys, torch.empty_like(keys), torch.zeros(len(ids), dtype=torch.long, device=model.device), None)
    cache = rolled.steps.open_cache(nothing, slots=inputs.shape[1])
    cache.watch = watch = Watch(record=True)
    rolled.steps.forward(cache, inputs)
    return watch.recorded(inputs.shape[1], model.n_layers, inputs.shape[1]), cache


def lengths_written(prompts: Prompts, cache: Cache, layer: int) -> Tensor:
    """``[row head key]``: ‖W_O v‖, how long what a head writes of a key is where it attends to nothing else."""
    model = prompts.model
    values = cache.values[layer, :, :, : cache.length].float().repeat_interleave(model.n_heads // model.n_kv_heads, 1)
    lengths: Tensor = (values @ model.head_outputs(layer)).norm(dim=-1)
    return lengths


def rollout(weights: Tensor, links: Sequence[tuple[int, int]] = ()) -> Tensor:
    """Attention ``[layer query key]`` → ``[query key]``: the product over layers of half of it and half of staying where one is.

    ``links``: inputs that are outputs, as (key, the query that made it), the earliest first. What ends at such a key goes on with weight 1
    at the query's own keys, so that nothing is left there. Rows sum to 1.
    """
    stays = torch.eye(weights.shape[-1], device=weights.device)
    through = stays
    for layer in weights:
        through = (layer / 2 + stays / 2) @ through
    for key, query in links:
        through = through + through[:, key, None] * through[query]
        through[:, key] = 0
    return through
