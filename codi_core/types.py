"""Frozen values that cross layers: numpy arrays, strings and numbers. Torch tensors stop at `services`.

Axes: ``index`` 0..n (0 = bot, k = pass k); ``depth`` 0..L (0 = embeddings, d = residual after block d, before the final norm);
``layer`` 0..L-1 for the KV cache; ``d_model``; ``kv_head``; ``d_head``; ``k`` (rank among the top tokens); ``m`` (tracked token).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from codi_core.errors import InterventionError
from codi_core.keys import key_of

if TYPE_CHECKING:
    import pandas as pd  # only the annotation of one field: --help must not wait for it

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

PromptFormat = Literal["answer-only", "paper", "paper-eos"]
RopeRounding = Literal["none", "bf16"]
Outcome = Literal["correct", "wrong", "unparsed", "truncated"]


@dataclass(frozen=True)
class ModelSpec:
    """Everything about a model that can change a number."""

    kind: ClassVar[str] = "model"
    name: str
    checkpoint: str
    """SHA-256 of the weight file (hex)."""
    dtype: str
    prompt_format: PromptFormat
    rope_rounding: RopeRounding
    lora_alpha: float | None = None
    """Scale of the LoRA product, which no file states; None for checkpoints without LoRA."""
    base: str = ""
    """SHA-256 (hex) of the architecture's config and the tokenizer."""

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True)
class RolloutConfig:
    kind: ClassVar[str] = "rollout"
    passes: int = 6
    max_new_tokens: int = 32


@dataclass(frozen=True)
class TopToken:
    """One candidate of a distribution over the vocabulary."""

    id: int
    token: str
    prob: float


@dataclass(frozen=True)
class Rollout:
    """One question's way through the model: prompt, latents, answer."""

    question: str
    """As the model read it: stripped, double spaces made one."""
    input_ids: tuple[int, ...]
    input_tokens: tuple[str, ...]
    answer_ids: tuple[int, ...]
    """Generated ids without eos."""
    answer: str
    number: float | None
    """Last number in the answer, commas removed; None when there is none."""
    finished: bool
    """True when eos was generated within the limit."""
    top_answers: tuple[TopToken, ...]
    """Alternatives for the first answer token, most likely first."""
    h: Floats
    """``[index d_model]``: post-norm hidden state at bot and after each pass."""
    z: Floats
    """``[index d_model]``: h through the projection; the last one is never consumed."""
    resid: Floats
    """``[index depth d_model]``: residual stream, depth L before the final norm. No rows when residuals were not recorded."""
    keys: Floats
    """``[index layer kv_head d_head]``: the KV cache at bot and the latent slots (after rotation). No rows when not recorded."""
    values: Floats
    """``[index layer kv_head d_head]``"""


@dataclass(frozen=True)
class ChainOfThought:
    """One question answered with an explicit chain of thought, no latents: question, bot, chain, eot, answer."""

    question: str
    input_ids: tuple[int, ...]
    output_ids: tuple[int, ...]
    """Everything generated, without eos."""
    chain: str
    """Text up to eot."""
    answer: str
    """Text after eot; empty when eot never came."""
    number: float | None
    """Last number in the answer, commas removed; None when there is none."""
    finished: bool
    """True when eos was generated within the limit."""


@dataclass(frozen=True)
class LensGrid:
    """What a lens reads at every index and depth."""

    lens: str
    model_key: str
    top_ids: Ints
    """``[index depth k]``"""
    top_tokens: npt.NDArray[np.str_]
    """``[index depth k]``, decoded."""
    top_probs: Floats
    """``[index depth k]``"""
    entropy: Floats
    """``[index depth]``, nats."""
    kl: Floats
    """``[index depth]``, KL(output || lens) in nats; the last depth is the output itself, so 0."""
    tracked_ids: tuple[int, ...]
    tracked_tokens: tuple[str, ...]
    tracked_rank: Ints
    """``[index depth m]``, 1 = most likely."""
    tracked_prob: Floats
    """``[index depth m]``"""

    def prob_of(self, tracked: TrackedToken) -> Floats:
        """``[index depth]``: probability of any of its spellings."""
        total: Floats = self.tracked_prob[..., self._columns(tracked)].sum(-1)
        return total

    def rank_of(self, tracked: TrackedToken) -> Ints:
        """``[index depth]``: rank of its likeliest spelling."""
        best: Ints = self.tracked_rank[..., self._columns(tracked)].min(-1)
        return best

    def _columns(self, tracked: TrackedToken) -> list[int]:
        return [self.tracked_ids.index(token) for token in tracked.ids]


@dataclass(frozen=True)
class TrackedToken:
    """Something a person follows through a grid: one or more spellings of it, each one token."""

    text: str
    """As it was asked for."""
    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    """The spellings, decoded."""
    note: str
    """Why it is not all of ``text``; empty when it is."""


@dataclass(frozen=True)
class LensCard:
    """Where a tuned lens comes from and how well it does on questions it was not trained on."""

    name: str
    """``tuned:<variant>``"""
    model: ModelSpec
    """The model it was trained on."""
    key: str
    """Of the training spec."""
    indices: tuple[int, ...]
    """Indices whose latents it was trained on; empty: positions of the prompt's text."""
    train_set: str
    held_out_set: str
    n_latents: int
    """Latents (or text positions) trained on."""
    n_held_out: int
    """Held-out questions."""
    steps: int
    batch: int
    lr: float
    seed: int
    kl_tuned: Floats
    """``[index depth]``: KL(output || lens) in nats, mean over the held-out questions."""
    kl_plain: Floats
    """The same for the logit lens."""
    agree_tuned: Floats
    """``[index depth]``: share of held-out questions where the lens' first token is the output's."""
    agree_plain: Floats
    curve: tuple[tuple[int, float, float], ...]
    """Step, training KL since the last entry, held-out KL (mean over depths below the last, and the trained indices)."""
    questions: tuple[str, ...]
    """Digest (see `question_digest`) of every question it was trained on."""

    def trained_on(self, question: str) -> bool:
        return question_digest(question) in self.questions


def question_digest(question: str) -> str:
    """Short, stable identity of a question as the model reads it."""
    return hashlib.sha256(question.encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Question:
    """One row of an evaluation set."""

    id: str
    question: str
    gold: float
    template: str
    """Wording with its numbers blanked: one half of the cluster."""
    triple: tuple[int, ...]
    """Parameters the story was made from; empty for files of others."""
    steps: tuple[float, ...]
    """Values of the reasoning steps in order, the last one is the answer; empty when unknown."""


@dataclass(frozen=True)
class EvalSetSpec:
    """Names the questions of an evaluation set so that the same spec always means the same rows."""

    kind: ClassVar[str] = "eval-set"
    name: str
    n: int
    """Number of rows; 0 = all."""
    seed: int
    digest: str
    """SHA-256 of the rows themselves."""

    @property
    def key(self) -> str:
        return key_of(self)


Mode = Literal["latent", "cot"]


@dataclass(frozen=True)
class EvalSpec:
    """One model answering one eval set: everything that decides the outcomes."""

    kind: ClassVar[str] = "eval"
    model: ModelSpec
    eval_set: EvalSetSpec
    rollout: RolloutConfig
    """In mode ``cot`` there are no passes: 0."""
    mode: Mode = "latent"

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True)
class EvalRow:
    """What became of one question."""

    id: str
    template: str
    triple: tuple[int, ...]
    steps: int
    """Number of reasoning steps; 0 when unknown."""
    gold: float
    answer: str
    number: float | None
    outcome: Outcome


@dataclass(frozen=True)
class EvalRun:
    """One row per question, in the order of the eval set."""

    rows: tuple[EvalRow, ...]

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """``[question]``"""
        return np.array([row.outcome == "correct" for row in self.rows], dtype=bool)


@dataclass(frozen=True)
class Share:
    """A share of questions with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    effective_n: float
    """Independent questions that would tell as much: questions of one template or one triple stand or fall together."""


@dataclass(frozen=True)
class PairedComparison:
    """The same questions under two conditions; ``delta`` = accuracy of b − accuracy of a."""

    n: int
    effective_n: float
    accuracy_a: float
    accuracy_b: float
    delta: float
    low: float
    high: float
    """95 % interval of delta, clustered."""
    fixed: int
    """Wrong under a, right under b."""
    broken: int
    """Right under a, wrong under b."""
    p_mcnemar: float
    """Exact, as if all questions were independent."""
    p_clustered: float
    """From the same bootstrap as the interval."""


Space = Literal["z", "h", "resid", "kv"]


@dataclass(frozen=True)
class MeansSpec:
    """Which latents were averaged: the same spec always means the same numbers."""

    kind: ClassVar[str] = "means"
    model: str
    """Key of the ModelSpec."""
    eval_set: EvalSetSpec
    only: Literal["all", "addition"] = "all"
    """``addition`` keeps the addition-first stories of the templates, as the posts did for KV means."""
    passes: int = 6

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True, eq=False)
class MeanLatents:
    """Latents averaged over the questions of one split, per index."""

    spec: MeansSpec
    n: int
    """Questions averaged."""
    h: Floats
    """``[index d_model]``"""
    z: Floats
    """``[index d_model]``"""
    resid: Floats
    """``[index depth d_model]``"""
    keys: Floats
    """``[index layer kv_head d_head]``, each row's rotation undone before averaging (as if at position 0)."""
    raw_keys: Floats
    """``[index layer kv_head d_head]``, averaged as they lie in the cache, every row at its own position (as in the posts)."""
    values: Floats
    """``[index layer kv_head d_head]``"""
    halves: tuple[MeanLatents, ...] = ()
    """Means of two halves of the questions, no triple in both; none in a half itself."""

    def part(self, space: Space, layer: int | None = None, raw: bool = False) -> Floats:
        """``[index d_model]``; for kv ``[index 2 layer kv_head d_head]``, keys first."""
        if space == "kv":
            return np.stack([self.raw_keys if raw else self.keys, self.values], 1)
        if space == "resid":
            chosen: Floats = self.resid[:, layer]
            return chosen
        return self.h if space == "h" else self.z


@dataclass(frozen=True, eq=False)
class DifferenceVector:
    """A direction to steer along or to read through a lens. ``+ - *`` keep to one model, space and layer."""

    model_key: str
    label: str
    """How it was made, for people."""
    space: Space
    layer: int | None
    """Depth of a resid vector; None otherwise."""
    raw: bool
    """Keys as in the cache instead of de-rotated; False where there are none."""
    values: Floats
    """``[d_model]``; for kv ``[2 layer kv_head d_head]``, keys first."""
    a: int | None = None
    b: int | None = None
    sign: Literal["B-A", "A-B"] | None = None
    n: int = 0
    """Questions behind it; 0 when it was computed from other vectors."""
    split_half: float | None = None
    """Cosine between the vectors of two halves of the questions: near 1 = a stable direction."""

    @property
    def norms(self) -> tuple[float, ...]:
        """One norm; for kv those of keys and of values."""
        parts = self.values if self.space == "kv" else self.values[None]
        return tuple(float(np.linalg.norm(part)) for part in parts)

    def __add__(self, other: DifferenceVector) -> DifferenceVector:
        self._check(other)
        return self._computed(f"({self.label}) + ({other.label})", self.values + other.values)

    def __sub__(self, other: DifferenceVector) -> DifferenceVector:
        self._check(other)
        return self._computed(f"({self.label}) − ({other.label})", self.values - other.values)

    def __mul__(self, factor: float) -> DifferenceVector:
        return self._computed(f"{factor:g} · ({self.label})", np.float32(factor) * self.values)

    __rmul__ = __mul__

    def __neg__(self) -> DifferenceVector:
        return self._computed(f"−({self.label})", -self.values)

    def cosine(self, other: DifferenceVector) -> float:
        """Of all components together. 0 when either vector is zero."""
        self._check(other)
        scale = float(np.linalg.norm(self.values) * np.linalg.norm(other.values))
        return float((self.values * other.values).sum()) / scale if scale else 0.0

    def _computed(self, label: str, values: Floats) -> DifferenceVector:
        return DifferenceVector(self.model_key, label, self.space, self.layer, self.raw, values.astype(np.float32))

    def _check(self, other: DifferenceVector) -> None:
        if self.model_key != other.model_key:
            raise InterventionError(f"A vector of model {self.model_key} cannot be combined with one of model {other.model_key}.")
        mine, theirs = (self.space, self.layer, self.raw), (other.space, other.layer, other.raw)
        if mine != theirs:
            raise InterventionError(
                f"Vectors of different sites cannot be combined: (space, layer, raw) is {mine} here and {theirs} there."
            )


@dataclass(frozen=True, eq=False)
class DifferenceGrid:
    """Differences of mean residuals read through a lens, for every ordered pair of indices; zero, and saying nothing, where a = b."""

    means: MeansSpec
    n: int
    """Questions behind the means."""
    lens: str
    sign: Literal["B-A", "A-B"]
    with_bias: bool
    """As in the post: the translator's bias is added to the difference, as if it were a residual."""
    top_ids: Ints
    """``[a b depth k]``"""
    top_tokens: npt.NDArray[np.str_]
    top_probs: Floats
    entropy: Floats
    """``[a b depth]``, nats."""
    norms: Floats
    """``[a b depth]``, of the difference itself."""
    split_half: Floats
    """``[a b depth]``: cosine between the differences of two halves of the questions; NaN where a = b."""


@dataclass(frozen=True)
class DetectionSpec:
    """A lens read over an eval set, in an order of its own so that the first questions are a fair sample."""

    kind: ClassVar[str] = "detection"
    model: ModelSpec
    lens: str
    lens_key: str
    """Key of the lens' training; empty for lenses that need none."""
    eval_set: EvalSetSpec
    rollout: RolloutConfig
    top_k: int = 10

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True, eq=False)
class LensReadings:
    """What a lens reads in the latents of many questions, question by question, so that any statistic can be asked of it later."""

    spec: DetectionSpec
    total: int
    """Questions there will be; fewer are read while it runs, or when it was stopped."""
    questions: tuple[Question, ...]
    """Those read so far."""
    targets: tuple[str, ...]
    """``answer``, then ``step 1``, ``step 2``, … before the answer."""
    values: Floats
    """``[question target]``; NaN where a question has no such step."""
    token_ids: Ints
    """``[question target spelling]``: its one-token spellings, padded with -1; none when the value needs several tokens."""
    top_ids: Ints
    """``[question index depth k]``"""
    entropy: Floats
    """``[question index depth]``, nats."""
    prob: Floats
    """``[question index depth target]``, all spellings together; 0 where there is none."""
    correct: npt.NDArray[np.bool_]
    """``[question]``: whether the model answered it right."""

    @property
    def complete(self) -> bool:
        return len(self.questions) == self.total


@dataclass(frozen=True, eq=False)
class CellMeans:
    """Means over questions with their 95 % intervals, which know that questions of one story or with equal numbers go together."""

    value: Floats
    """``[… index depth]``"""
    low: Floats
    high: Floats
    n: int
    """Questions averaged; 0 leaves NaN."""


@dataclass(frozen=True, eq=False)
class DetectionMap:
    """How often the value of a target is among the k likeliest tokens, and how often a value of another question is."""

    target: str
    found: CellMeans
    """``[k index depth]``, k = 1 first."""
    permuted: CellMeans
    """The same for values of other questions that are no value of this one."""
    multi_token: int
    """Questions left out because the value is no single token of this model."""
    without: int
    """Questions left out because they have no such step."""


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """Answers under one condition, of a whole eval set or of the part that is done. All arrays ``[question]``."""

    _ARRAYS: ClassVar[tuple[str, ...]] = ("numbers", "parsed", "outcomes", "p_gold", "margin")
    numbers: Ints
    """Places of the questions in the eval set."""
    answers: tuple[str, ...]
    parsed: npt.NDArray[np.float64]
    """Number in the answer; NaN when there is none."""
    outcomes: npt.NDArray[np.str_]
    p_gold: Floats
    """Probability of the gold answer's tokens, each after the ones before it (teacher forcing)."""
    margin: Floats
    """Logit of the gold answer's first token minus the best other one's."""

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        right: npt.NDArray[np.bool_] = self.outcomes == "correct"
        return right

    def joined(self, other: ScoredRun) -> ScoredRun:
        """Both parts, this one first."""
        arrays = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in self._ARRAYS}
        return ScoredRun(answers=self.answers + other.answers, **arrays)

    def sorted(self) -> ScoredRun:
        """In the order of the eval set."""
        return self.take(np.argsort(self.numbers, kind="stable"))

    def take(self, rows: npt.NDArray[np.integer]) -> ScoredRun:
        """Some rows of this run, in the order given."""
        return ScoredRun(answers=tuple(self.answers[row] for row in rows), **{name: getattr(self, name)[rows] for name in self._ARRAYS})


@dataclass(frozen=True)
class Estimate:
    """A mean over questions with its 95 % interval, clustered."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Controls:
    """The same push in directions that mean nothing: random ones of the same length, shuffled steps."""

    accuracy: tuple[float, ...]
    """Change of accuracy, one a direction, on the questions done."""
    margin: tuple[float, ...]
    """Mean change of the gold logit margin."""
    percentile: float
    """Share of directions that do less than the effect on accuracy, ties half: 0..100. Near 50 = like a random push."""
    margin_percentile: float


@dataclass(frozen=True, eq=False)
class SteeringEffect:
    """What a condition does to an eval set, or to the part of it that is done."""

    key: str
    """Of the condition."""
    baseline_key: str
    done: int
    total: int
    baseline: Share
    steered: Share
    paired: PairedComparison
    """a = baseline, b = steered."""
    margin: Estimate
    """Change of the gold logit margin: moves long before answers do."""
    p_gold: Estimate
    """Change of the gold answer's probability."""
    changed: int
    """Answers that are not the same text."""
    transitions: dict[tuple[Outcome, Outcome], int]
    """Questions by outcome under the baseline and steered."""
    fixed: tuple[int, ...]
    """Places in the eval set of the questions only the steered model gets right."""
    broken: tuple[int, ...]
    identical: bool
    """Every answer and every score equals the baseline bit for bit."""
    controls: Controls | None
    verdict: str
    """One sentence."""


@dataclass(frozen=True, eq=False)
class SweepTable:
    """A stored grid of conditions: one model, one eval set, every pair × index × coefficient, with random directions beside them."""

    key: str
    """Of the SweepSpec."""
    name: str
    """Of the preset."""
    title: str
    model_key: str
    model_name: str
    eval_set: EvalSetSpec
    means: MeansSpec
    overlap: bool
    """As in the posts: means may come from evaluated questions. To be marked on screen."""
    rollout: RolloutConfig
    code: str
    created: str
    """UTC, ISO 8601."""
    cells: pd.DataFrame
    """One row a condition; columns in `codi_core.sweeps.table`."""
    refused: tuple[str, ...]
    """Combinations of the axes that cannot be done, each with the reason."""


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
    gold: float | None
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
    centroids: CellMeans
    """``[index component]``: means of the scores."""
    explained: CellMeans
    """``[component]``: share of all variance."""
    by_index: CellMeans
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
