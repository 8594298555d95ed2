"""Who reads whom in one prompt: attention, edges cut beside random ones, and the graph of latents."""

from __future__ import annotations

import shlex
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from codi_core.engine.engine import Engine
from codi_core.errors import InputError, InterventionError
from codi_core.evaluation.attention_maps import maps_of
from codi_core.evaluation.influence import Cut, Prompts, answers_under, attention, direct_effects, rolled_out, shuffled, total_effects
from codi_core.keys import key_of
from codi_core.models.prompts import clean_question
from codi_core.services.shared.commands import means_words, passes_words
from codi_core.services.shared.directions import collect_in_turns, directions_of
from codi_core.services.shared.requests import MeansRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.steering.context import Directions
from codi_core.steering.limits import check_feeds_back, check_indices
from codi_core.steering.vectors import VectorSpace
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.influence import BYS, By, Graph, How, Influence, KnockedOut, KnockOut
from codi_core.values.model import RolloutConfig

CONTROLS = 8
"""Random cuts beside a cut."""
TRIED = 256
"""Random sets of keys, of which those nearest in mass and distance are taken."""
NOISE = 0.5
"""Of a Gaussian in z's place: its standard deviation times √d over the length of z, as in the source."""


@dataclass(frozen=True)
class InfluenceRequest:
    kind: ClassVar[str] = "influence-request"
    model: str
    prompt: str
    by: By = "zero"
    """What stands in a latent's place: ``zero``; ``gaussian`` noise; the ``mean`` latent; ``resample``: another question's."""
    passes: int = 6
    means: MeansRequest = field(default_factory=MeansRequest)
    seed: int = 0

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True)
class KnockOutRequest:
    kind: ClassVar[str] = "knock-out"
    model: str
    prompt: str
    keys: tuple[int, ...]
    """Tokens of the prompt, counted from 0, then the slots of index 0..n."""
    query: int | None = None
    """0..n, or n + 1 for the answer; None: every query after the keys."""
    how: How = "kv"
    """``kv``: hidden before the softmax. ``z``: z of the slot's index replaced, which masks do not cut. ``both``."""
    by: By = "zero"
    passes: int = 6
    means: MeansRequest = field(default_factory=MeansRequest)
    seed: int = 0

    @property
    def key(self) -> str:
        return key_of(self)


def influence(workbench: Workbench, request: InfluenceRequest, viewer: str, on_wait: OnWait | None = None) -> Influence:
    """Raises InputError for a prompt that cannot be read, InterventionError where latents are not fed back, DataError, ModelError, and
    Cancelled when ``viewer`` asked for something newer.
    """
    check_by(request.by)
    collect_for(workbench, request, viewer, on_wait)
    return workbench.run(request.model, partial(_influence, workbench, request), viewer, on_wait)


def _influence(workbench: Workbench, request: InfluenceRequest, engine: Engine, check_cancelled: CheckCancelled) -> Influence:
    started = time.perf_counter()
    model = engine.model
    question, prompts = _prompts(engine, request.prompt, request.passes, check_cancelled)
    directions = directions_for(workbench, engine, request.by, request.means, request.passes, check_cancelled)
    with engine.exclusively():
        maps, copied = maps_of(prompts), maps_of(shuffled(engine, prompts, check_cancelled))
        graph = graph_of(prompts, request.by, directions, request.seed, check_cancelled)
    own = workbench.rollout(engine, question, RolloutConfig(request.passes), check_cancelled)
    return Influence(
        key=request.key,
        prompt=question,
        answer=own.answer,
        tokens=tuple(model.token_text(token) for token in prompts.ids[0]),
        operands=prompts.operands[0],
        passes=request.passes,
        maps=maps,
        shuffled=copied,
        graph=graph,
        milliseconds=(time.perf_counter() - started) * 1000,
    )


def graph_of(prompts: Prompts, by: By, directions: Directions | None, seed: int, check: CheckCancelled) -> Graph:
    """Of the first question; for several see `graphs_of`."""
    total, answer, direct, to_answer = graphs_of(prompts, by, directions, seed, check)
    return Graph(by, total[..., 0], answer[:, 0], direct[..., 0], to_answer[:-1, 0], float(to_answer[-1, 0]))


def graphs_of(
    prompts: Prompts, by: By, directions: Directions | None, seed: int, check: CheckCancelled
) -> tuple[Floats, Floats, Floats, Floats]:
    """Total effects, those on the answer, direct effects, and direct ones on the answer, question last. A pause twin has no total ones."""
    n, rows = prompts.passes, len(prompts.ids)
    if prompts.model.family.feeds_back and n:
        total, answer = total_effects(prompts, replaced(prompts, by, directions, seed), check)
    else:
        total, answer = np.full((3, n, n, rows), np.nan, np.float32), np.full((n, rows), np.nan, np.float32)
    return total, answer, *direct_effects(prompts, check)


def replaced(prompts: Prompts, by: By, directions: Directions | None, seed: int) -> Tensor:
    """``[index row d_model]``: what is put in the place of z(0) … z(n−1)."""
    z, names = prompts.rolled.rows.z[:, : prompts.passes].float(), prompts.rolled.rows.ids
    if by == "zero":
        return torch.zeros_like(z).transpose(0, 1)
    if by == "gaussian":
        normals = [np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(z.shape[1:]) for name in names]
        noise = torch.from_numpy(np.stack(normals).astype(np.float32)).to(z.device)
        scaled: Tensor = noise * NOISE * z.norm(dim=-1, keepdim=True) / z.shape[-1] ** 0.5
        return scaled.transpose(0, 1)
    assert directions is not None
    if by == "mean":
        mean = directions.means.part("z", None)[: prompts.passes]
        return torch.from_numpy(mean).to(z.device)[:, None].expand(-1, len(prompts.ids), -1)
    samples = VectorSpace("z").samples(directions.samples)[:, : prompts.passes]
    chosen = [int(np.random.default_rng([seed, zlib.crc32(name.encode())]).integers(len(samples))) for name in names]
    drawn = np.stack([samples[place] for place in chosen], 1).astype(np.float32)
    return torch.from_numpy(drawn).to(z.device)


class Replacing(Protocol):
    """What puts other latents in place of a model's own."""

    @property
    def model(self) -> str: ...
    @property
    def by(self) -> By: ...
    @property
    def means(self) -> MeansRequest: ...
    @property
    def passes(self) -> int: ...


def collect_for(workbench: Workbench, request: Replacing, viewer: str, on_wait: OnWait | None) -> None:
    """In turns, what `directions_for` needs."""
    if request.by in ("mean", "resample"):
        collect_in_turns(workbench, request.model, request.means, request.passes, viewer, on_wait)


def directions_for(
    workbench: Workbench, engine: Engine, by: By, means: MeansRequest, passes: int, check_cancelled: CheckCancelled
) -> Directions | None:
    """None where no other questions are needed."""
    return directions_of(workbench, engine, means, passes, check_cancelled) if by in ("mean", "resample") else None


def check_by(by: str) -> None:
    if by not in BYS:
        raise InputError(f"'{by}' cannot stand in a latent's place: choose among {', '.join(BYS)}.")


def _prompts(engine: Engine, text: str, passes: int, check_cancelled: CheckCancelled) -> tuple[str, Prompts]:
    question = clean_question(text)
    with engine.exclusively():
        return question, rolled_out(engine, [engine.prompt(question, RolloutConfig(passes)).ids], (question,), passes, check_cancelled)


# Edges cut


def knock_out(workbench: Workbench, request: KnockOutRequest, viewer: str, on_wait: OnWait | None = None) -> KnockOut:
    """Raises InputError for keys or queries that are not there, InterventionError for a cut that could not act or would leave a query
    nothing to see, and what `influence` raises.
    """
    check_by(request.by)
    collect_for(workbench, request, viewer, on_wait)
    return workbench.run(request.model, partial(_knock_out, workbench, request), viewer, on_wait)


def _knock_out(workbench: Workbench, request: KnockOutRequest, engine: Engine, check_cancelled: CheckCancelled) -> KnockOut:
    model, passes = engine.model, request.passes
    question, prompts = _prompts(engine, request.prompt, passes, check_cancelled)
    own = workbench.rollout(engine, question, RolloutConfig(passes), check_cancelled)
    directions = directions_for(workbench, engine, request.by, request.means, passes, check_cancelled)
    with engine.exclusively():
        mean = attention(prompts)[0].mean((0, 1)).cpu().numpy()
        queries = _queries(request, prompts)
        slot = _slot(request, prompts, engine)
        put = replaced(prompts, request.by, directions, request.seed) if slot is not None else None
        hidden = request.how != "z"
        wanted = Cut(request.keys if hidden else (), queries, None if put is None or slot is None else (slot, put[slot, 0]))
        others = random_cuts(request, mean, queries, prompts, slot) if hidden else [wanted.keys] * CONTROLS
        noises = [_random(prompts, slot, request.seed + draw) for draw in range(len(others))]
        cuts = [Cut(), wanted, *(Cut(keys, queries, z) for keys, z in zip(others, noises, strict=True))]
        found = answers_under(prompts, cuts, own.answer_ids, RolloutConfig.max_new_tokens, check_cancelled)
    clean = found[0][0]
    read = [
        KnockedOut(log_p - clean, kl, model.decode(ids), ids != found[0][2], _mass(mean, cut, passes))
        for cut, (log_p, kl, ids) in zip(cuts, found, strict=True)
    ]
    return KnockOut(request.key, read[1], tuple(read[2:]))


def _queries(request: KnockOutRequest, prompts: Prompts) -> tuple[int, ...]:
    """Those named, all of which see the keys. Raises InputError and InterventionError."""
    n, width = request.passes, prompts.width
    if not request.keys or not all(0 <= key <= width + n for key in request.keys):
        raise InputError(f"Keys {list(request.keys)}: the prompt has tokens 0 to {width - 1}, then the slots {width} to {width + n}.")
    if request.query is not None and not 0 <= request.query <= n + 1:
        raise InputError(f"Query {request.query}: choose 0 to {n}, or {n + 1} for the answer.")
    last = max(request.keys) - width
    queries = tuple(range(max(last + 1, 0), n + 2)) if request.query is None else (request.query,)
    if not queries or queries[0] < last:
        raise InterventionError(f"Query {request.query} comes before slot {last}, which it cannot see: choose {last + 1} to {n + 1}.")
    for query in queries:
        seen = width + (query if query <= n else n) + 1
        if request.how != "z" and len([key for key in request.keys if key < seen]) >= seen:
            raise InterventionError(f"Query {query} would be left with no key at all: leave it at least one.")
    return queries


def _slot(request: KnockOutRequest, prompts: Prompts, engine: Engine) -> int | None:
    """The index whose z is replaced, if any."""
    if request.how == "kv":
        return None
    slots = [key - prompts.width for key in request.keys]
    if len(slots) != 1 or slots[0] < 0:
        raise InterventionError("z belongs to one index: name one slot, or cut kv alone.")
    check_indices(slots, request.passes, "z")
    check_feeds_back("z", engine.model)
    return slots[0]


def random_cuts(
    request: KnockOutRequest, mean: Floats, queries: Sequence[int], prompts: Prompts, slot: int | None
) -> list[tuple[int, ...]]:
    """As many random keys that all these queries see, carrying about as much attention from about as far away."""
    rng, size = np.random.default_rng(request.seed), len(request.keys)
    visible = [key for key in range(prompts.width + queries[0]) if key not in request.keys]
    if len(visible) < size:
        raise InterventionError(f"Only {len(visible)} other keys are there: too few for a random control of {size}.")
    carried = mean[list(queries)].mean(0)
    drawn = {tuple(sorted(rng.choice(visible, size, replace=False).tolist())) for _ in range(TRIED)}
    mass, place = float(carried[list(request.keys)].sum()), float(np.mean(request.keys))

    def unlike(keys: tuple[int, ...]) -> float:
        """Both in shares: of all attention, and of the way from the first key to the last."""
        return abs(float(carried[list(keys)].sum()) - mass) + abs(float(np.mean(keys)) - place) / (visible[-1] + 1)

    return sorted(drawn, key=lambda keys: (unlike(keys), keys))[:CONTROLS]


def _random(prompts: Prompts, slot: int | None, seed: int) -> tuple[int, Tensor] | None:
    """A random vector as long as z."""
    if slot is None:
        return None
    z = prompts.rolled.rows.z[0, slot].float()
    noise = torch.from_numpy(np.random.default_rng([seed, slot]).standard_normal(len(z)).astype(np.float32)).to(z.device)
    return slot, noise * (z.norm() / noise.norm())


def _mass(mean: Floats, cut: Cut, passes: int) -> float:
    return float(mean[[min(query, passes + 1) for query in cut.queries]][:, list(cut.keys)].sum(1).mean()) if cut.keys else 0.0


# The command lines that repeat a request


def influence_command(request: InfluenceRequest) -> str:
    return command_of(
        request.model, ["--prompt", request.prompt, *by_words(request.model, request.by, request.passes, request.means, request.seed)]
    )


def knock_out_command(request: KnockOutRequest) -> str:
    words = ["--prompt", request.prompt, *(word for key in request.keys for word in ("--cut", str(key))), "--how", request.how]
    words += [] if request.query is None else ["--query", str(request.query)]
    return command_of(request.model, [*words, *by_words(request.model, request.by, request.passes, request.means, request.seed)])


def by_words(model: str, by: By, passes: int, means: MeansRequest, seed: int) -> list[str]:
    words = [*(["--by", by] if by != "zero" else []), *passes_words(model, passes)]
    return [*words, *(["--seed", str(seed)] if seed else []), *(means_words(means) if by in ("mean", "resample") else [])]


def command_of(model: str, words: Sequence[str]) -> str:
    return shlex.join(["python", "-m", "codi_core", "influence", "--model", model, *words])
