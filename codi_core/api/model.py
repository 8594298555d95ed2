"""A model from Python: what one can ask of it, in names and numbers."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, Literal, overload

from codi_core.api.measured import Accuracy, Effect
from codi_core.api.progress import OnDone, shown
from codi_core.api.results import Influences, Patched, Steered, Thought
from codi_core.errors import InputError
from codi_core.models.load import ModelRequest
from codi_core.services.cards import ModelCard, model_card
from codi_core.services.effects import evaluate_condition
from codi_core.services.evaluate import EvalRequest, evaluate
from codi_core.services.influence import InfluenceRequest, influence
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.lenses import lens_menu
from codi_core.services.patch import PatchRequest, patch
from codi_core.services.shared.interventions import Method, methods_of
from codi_core.services.shared.requests import ConditionRequest, MeansRequest, SteerRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.steer import steer
from codi_core.settings import Settings
from codi_core.values.evals import Mode
from codi_core.values.influence import By
from codi_core.values.model import RolloutConfig

VIEWER = "python"
Site = Literal["kv", "z", "h"]


@cache
def workbench(settings: Settings) -> Workbench:
    """One for all models of the same settings: they share a thread, a cache and a store."""
    return Workbench(settings)


def load(name: str = "", *, passes: int | None = None, settings: Settings | None = None, **files: Any) -> Model:
    """A model by the name of a preset, a hub id, a folder, or a file of weights; "": the one of the settings (``CODI_MODEL``).

    ``passes``: latents it thinks with, where no file says. ``settings``: where things run and are kept; the ``CODI_*`` variables otherwise.
    ``files``: what its files do not say, as `ModelRequest` has it: ``base``, ``lora_alpha``, ``family``, ``prompt_format``, ``suffix``,
    ``lead``, ``dtype``, ``device``. Raises ModelError and its children.

    Examples:
        >>> import codi_core as codi
        >>> codi.load("bundled-steps").passes
        6
    """
    settings = settings or Settings.from_env()
    bench = workbench(settings)
    name = name or settings.model
    if files:
        bench.models[name] = ModelRequest(name, **files)
    return Model(bench, name, passes)


class Model:
    """Opened once; every call goes through the thread that owns it.

    Examples:
        >>> import codi_core as codi
        >>> model = codi.load("bundled-steps")
        >>> model.name, model.card.passes == model.passes
        ('bundled-steps', True)
    """

    def __init__(self, bench: Workbench, name: str, passes: int | None = None) -> None:
        self._bench, self.name = bench, name
        self.card: ModelCard = model_card(bench, name, VIEWER)
        known = self.card.passes if passes is None else passes
        if known is None:
            raise InputError(f"No file says how many latents {name} was trained with ({self.card.passes_hint}): give passes=.")
        self.passes = known

    def __repr__(self) -> str:
        return f"Model({self.name!r}, key={self.card.key!r}, passes={self.passes})"

    @property
    def lenses(self) -> tuple[str, ...]:
        """Names of the lenses it can be read through.

        Examples:
            >>> import codi_core as codi
            >>> {"logit", "tuned:all"} <= set(codi.load("bundled-steps").lenses)
            True
        """
        return tuple(option.name for option in lens_menu(self._bench, self.name, VIEWER))

    @overload
    def think(self, prompt: str, *, passes: int | None = None) -> Thought: ...

    @overload
    def think(self, prompt: list[str], *, passes: int | None = None, progress: OnDone = None) -> list[Thought]: ...

    def think(self, prompt: str | list[str], *, passes: int | None = None, progress: OnDone = None) -> Thought | list[Thought]:
        """Answer a prompt, or each of several. Raises InputError for what cannot be read.

        Examples:
            >>> import codi_core as codi
            >>> thought = codi.load("bundled-steps").think("Tom has 3 apples. He buys 4 more. How many apples does he have?")
            >>> thought.answer.strip().isdecimal()
            True
        """
        if isinstance(prompt, str):
            return self._think(prompt, self.passes if passes is None else passes)
        report = shown(progress, "prompts")
        found = []
        for done, text in enumerate(prompt, 1):
            found.append(self._think(text, self.passes if passes is None else passes))
            report(done, len(prompt))
        return found

    def _think(self, prompt: str, passes: int) -> Thought:
        request = InspectRequest(self.name, prompt, passes)
        return Thought(
            inspect(self._bench, request, VIEWER),
            lambda lens, track: inspect(self._bench, replace(request, lenses=(lens,), tracked=track), VIEWER),
        )

    def steer(self, prompt: str | Thought, condition: str = "", *, lens: str = "logit", seed: int = 0, **push: Any) -> Steered:
        """Answer a prompt unsteered, steered, and pushed as hard in a random direction (number ``seed``).

        The intervention is ``condition``, in the words of the command line, or ``a=``, ``b=``, ``site=``, ``index=``, ``coefficient=``
        (`condition_of`). Raises InterventionError for what cannot be done.

        Examples:
            >>> import codi_core as codi
            >>> pushed = codi.load("bundled-steps").steer("How much is 3 plus 4?", a=2, b=4, site="kv", index=5, coefficient=0.5)
            >>> list(pushed.panes)
            ['baseline', 'steered', 'control']
        """
        text = prompt.question if isinstance(prompt, Thought) else prompt
        passes = prompt.value.request.passes if isinstance(prompt, Thought) else self.passes
        request = SteerRequest(self.name, text, _methods(condition, push), passes=passes, control_seed=seed, lenses=(lens,))
        return Steered(steer(self._bench, request, VIEWER))

    def patch(self, source: str, target: str, taken: str, put: str = "", *, seed: int = 0) -> Patched:
        """A place of one prompt put in another: ``3.4`` (index.depth), ``3`` or ``0-3`` (all depths), ``kv3`` (a cache slot) or ``z2``.

        ``put``: the place in the target; "": the same. Beside it a random vector as long (number ``seed``). Raises InterventionError.

        Examples:
            >>> import codi_core as codi
            >>> codi.load("bundled-steps").patch("How much is 3 plus 4?", "How much is 3 plus 4?", "kv3").value.effect.identical
            True
        """
        return Patched(patch(self._bench, PatchRequest(self.name, source, target, taken, put, self.passes, seed=seed), VIEWER))

    def influence(self, prompt: str | Thought, by: By = "zero") -> Influences:
        """Who reads whom: attention from passes and answer, and what each latent does to later ones and to the answer. ``by``: what
        stands in a latent's place. Raises InterventionError where latents are not fed back.

        Examples:
            >>> import codi_core as codi
            >>> codi.load("bundled-steps").influence("How much is 3 plus 4?").value.passes
            6
        """
        text = prompt.question if isinstance(prompt, Thought) else prompt
        return Influences(influence(self._bench, InfluenceRequest(self.name, text, by, self.passes), VIEWER))

    def evaluate(
        self,
        eval_set: str = "bundled",
        n: int = 0,
        *,
        seed: int = 0,
        passes: int | None = None,
        mode: Mode = "latent",
        max_new_tokens: int | None = None,
        progress: OnDone = None,
    ) -> Accuracy:
        """Accuracy on an eval set or a file (``n`` 0: all, or 1,000 of a generated set). Raises DataError for one that cannot be used.

        Examples:
            >>> import codi_core as codi
            >>> round(codi.load("bundled-steps").evaluate("templates", n=20).share.value, 2) > 0.5
            True
        """
        request = EvalRequest(self.name, eval_set, n, seed, self.passes if passes is None else passes, mode, False, max_new_tokens)
        return Accuracy(evaluate(self._bench, request, shown(progress, "questions"), VIEWER))

    def compare(
        self,
        condition: str = "",
        eval_set: str = "templates",
        n: int = 200,
        *,
        seed: int = 0,
        controls: int = 0,
        means: MeansRequest | None = None,
        against: Literal["same", "all"] = "same",
        overlap: bool = False,
        max_new_tokens: int = RolloutConfig.max_new_tokens,
        progress: OnDone = None,
        **push: Any,
    ) -> Effect:
        """An intervention against the unsteered model, question by question; with ``controls`` random directions of its length (20 or
        more give a percentile). The intervention as in `steer`; everything else as `ConditionRequest` has it.

        Examples:
            >>> import codi_core as codi
            >>> codi.load("bundled-steps").compare(a=2, b=4, index=5, coefficient=0, n=8).sentence
            'Identical to the baseline on all 8 questions, bit for bit.'
        """
        methods = _methods(condition, push)
        drawn = (eval_set, n, seed, means or MeansRequest(), self.passes)
        request = ConditionRequest(self.name, methods, *drawn, max_new_tokens, overlap, against, controls)
        report, effect = shown(progress, "questions"), None
        for effect in evaluate_condition(self._bench, request, VIEWER):
            report(effect.done, effect.total)
        if effect is None:
            raise InputError(f"The eval set '{eval_set}' has no question.")
        return Effect(effect, _coefficient(methods))


def condition_of(*, a: int, b: int, index: int, coefficient: float, site: Site = "kv", **fields: Any) -> str:
    """Coefficient × (mean of latent B − mean of latent A), added at an index, as the command line says it.

    ``site``: the KV cache, or the hidden state before (h) or after (z) the projection. ``fields``: further ones of the method, ``then``,
    ``layers``, … .

    Examples:
        >>> from codi_core.api import condition_of
        >>> condition_of(a=2, b=4, index=5, coefficient=0.5, then="stop")
        'kv source=difference a=2 b=4 coefficient=0.5 indices=5 then=stop'
    """
    where = "kv" if site == "kv" else f"hidden space={site}"
    more = "".join(f" {name}={value}" for name, value in fields.items())
    return f"{where} source=difference a={a} b={b} coefficient={coefficient} indices={index}{more}"


def _methods(condition: str, push: dict[str, Any]) -> tuple[Method, ...]:
    if bool(condition) == bool(push):
        raise InputError(
            "Give the intervention once: as a text, 'kv source=difference a=2 b=4 …', or as a=, b=, site=, index=, coefficient=."
        )
    return methods_of(condition or condition_of(**push))


def _coefficient(methods: tuple[Method, ...]) -> float:
    """The first of the interventions'."""
    return next((value for method in methods for value in method.coefficients.values()), 0.0)
