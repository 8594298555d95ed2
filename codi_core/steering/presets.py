"""The two experiments of the posts as their code did them, and the same with its flaws corrected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.methods import Method
from codi_core.steering.vectors import Difference

Means = tuple[str, int, Literal["all", "addition"]]
"""Eval set, number of questions (0 = all) and which of them mean latents are taken from."""
POST_MEANS: Means = ("gsm8k-aug-500", 500, "all")


@dataclass(frozen=True)
class Preset:
    title: str
    text: str
    """What it does, for the screen."""
    make: Callable[[int, int, int, float], Method]
    """A, B, index, coefficient → method."""
    means: Means
    """Of models that learnt our problems."""
    overlap: bool
    """Whether the means may come from evaluated questions. True only where the posts did so, and always marked on screen."""
    theirs: Means | None = None
    """Of other models, where the posts took another set."""

    def means_of(self, is_ours: bool) -> Means:
        return self.means if is_ours or self.theirs is None else self.theirs


def _embedding_post(a: int, b: int, index: int, coefficient: float) -> Hidden:
    return Hidden(Difference(a, b), coefficient, (index,), "z", then="stop", vector_space="h")


def _kv_post(a: int, b: int, index: int, coefficient: float) -> KV:
    return KV(Difference(a, b), coefficient, (index,), then="stop", raw=True)


def _embedding(a: int, b: int, index: int, coefficient: float) -> Hidden:
    return Hidden(Difference(a, b), coefficient, (index,), "z")


def _kv(a: int, b: int, index: int, coefficient: float) -> KV:
    return KV(Difference(a, b), coefficient, (index,))


PRESETS: dict[str, Preset] = {
    "embedding-as-in-the-post": Preset(
        "Hidden state, as in the post",
        "Means of h, before the projection, added to z after it; one more pass, then eot. The means are of GSM8k-Aug's first "
        "500 training questions, or for the models that ship of a split of ours.",
        _embedding_post,
        ("means", 500, "all"),
        False,
        POST_MEANS,
    ),
    "embedding-corrected": Preset(
        "Hidden state, corrected",
        "Means of z from a split of its own, added to z; all passes are run.",
        _embedding,
        ("means", 500, "all"),
        False,
    ),
    "kv-as-in-the-post": Preset(
        "KV cache, as in the post",
        "Means of keys and values as they lie in the cache, over addition prompts of the evaluation set, added to the last slot, then eot.",
        _kv_post,
        ("templates", 0, "addition"),
        True,
    ),
    "kv-corrected": Preset(
        "KV cache, corrected",
        "Means from a split of their own, keys moved to each prompt's position; all passes are run.",
        _kv,
        ("means", 500, "all"),
        False,
    ),
}
