"""What latents are needed for and how they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from codi_core.values.arrays import Floats
from codi_core.values.evals import SteeringEffect
from codi_core.values.model import TopToken
from codi_core.values.outcomes import Outcomes
from codi_core.values.questions import EvalSetSpec, Question
from codi_core.values.stats import Estimate, Estimates, PairedComparison, Share
from codi_core.values.vectors import MeansSpec, Space


@dataclass(frozen=True)
class PassPoint:
    """Answers after some of the passes, to all questions or to one group of them."""

    group: str
    """``all``, a kind of story, or a number of steps."""
    passes: int
    accuracy: Share
    p_gold: Estimate
    """Mean probability of the gold answer."""
    against: PairedComparison
    """a = after all passes, b = after these."""
    outcomes: Outcomes
    spelled_out: Share
    """Answers that write equations instead of a number: reasoning in words, in place of latents."""
    key: str
    """Of the condition."""


@dataclass(frozen=True, eq=False)
class PassCurve:
    """Thinking stopped early: what the answers are worth after 0, 1, … passes."""

    eval_set: EvalSetSpec
    passes: int
    """All of them: the last point."""
    done: float
    """Of ``passes`` + 1 conditions, those computed."""
    points: tuple[PassPoint, ...]
    """Of complete conditions."""


@dataclass(frozen=True)
class AblationSite:
    """One latent, and what stands in its place."""

    by: str
    """A kind of replacement: zero, mean, …"""
    space: Space
    index: int


@dataclass(frozen=True, eq=False)
class AblationMap:
    """Every latent replaced in turn, over an eval set."""

    eval_set: EvalSetSpec
    passes: int
    sites: tuple[AblationSite, ...]
    """Asked for."""
    refused: dict[AblationSite, str]
    """Sites where a replacement would change nothing, with the reason."""
    done: float
    """Of ``sites``, those computed."""
    effects: dict[AblationSite, SteeringEffect]
    """Of complete conditions."""


@dataclass(frozen=True, eq=False)
class LatentImportance:
    """What one latent does for one answer: the same rollout with other latents in its place."""

    space: Space
    index: int
    change: Floats
    """``[draw]``: log-probability of the unsteered answer with the draw in place, minus that without (nats)."""
    answers: tuple[str, ...]
    """One a draw."""
    mean: Estimate
    """Mean change over the draws."""
    changed: Share
    """Share of draws whose answer is another one."""
    reference: float
    """Change with the mean latent in its place."""
    reference_answer: str


@dataclass(frozen=True, eq=False)
class PromptImportance:
    """Counterfactual importance of every latent of one prompt."""

    key: str
    """Of the request."""
    answer: str
    """Without any replacement: the one whose probability is followed."""
    prob: float
    """Its probability."""
    gold: float | str | None
    """None when the prompt is none of ours."""
    top_answers: tuple[TopToken, ...]
    """Alternatives for its first token."""
    means: MeansSpec
    """Whose latents are put in place."""
    passes: int
    draws: int
    total: int
    """Latents there will be."""
    latents: tuple[LatentImportance, ...]


GeometrySpace = Literal["z", "h", "k", "v", "resid"]


@dataclass(frozen=True, eq=False)
class LatentGeometry:
    """Principal components of the latents of a split. They are those of all passes (indices 1..n); index 0, bot, is only projected.

    Components are sorted by variance; as a direction has no sign of its own, each points to where its largest coordinate is positive.
    """

    means: MeansSpec
    space: GeometrySpace
    """k: de-rotated keys."""
    layer: int | None
    """Depth of resid, layer of k and v; None: all layers of k and v together."""
    centre: Literal["all", "index"]
    """``index``: the mean of every index was taken away first, what is left is how questions differ."""
    questions: tuple[Question, ...]
    dimensions: int
    scores: Floats
    """``[question index component]``, in units of the latents."""
    centroids: Estimates
    """``[index component]``: means of the scores."""
    explained: Estimates
    """``[component]``: share of all variance."""
    spread: Floats
    """``[question]``: squared distances from the mean of all latents, summed over passes; what ``explained`` is a share of."""
    by_index: Estimates
    """``[component]``: share of the component's variance that lies between indices."""
    null: Floats
    """``[permutation component]``: share explained when every coordinate is shuffled on its own (parallel analysis)."""
    retained: int
    """Components from the first on that explain more than in any permutation."""
    split_half: Floats
    """``[component]``: cosine with the same component of the other half of the questions, mean of the two ways of matching it."""
    tokens: dict[str, Floats]
    """By token: cosine of its embedding with every component, ``[component]``; only for z, which stands where embeddings do."""
    mean_cosines: Floats
    """``[3 index index]``: between mean latents, from all questions and from either half."""
    difference_cosines: Floats
    """``[3 pair pair]``: between differences of mean latents."""
    pairs: tuple[tuple[int, int], ...]
    """(a, b) with a < b of the differences b − a."""
    lengths: Floats
    """``[index]``: mean length of a latent."""
