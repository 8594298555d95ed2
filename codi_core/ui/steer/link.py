"""What is steered, as the URL says it: one readable text for the intervention, and a few names and numbers around it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from codi_core.errors import InterventionError
from codi_core.figures.paint import COLOUR_BY
from codi_core.problems.generate import team_prompt
from codi_core.services.shared.interventions import (
    METHODS,
    PRESETS,
    Method,
    check_coefficient,
    complete,
    flags_of,
    method_of,
    methods_of,
    text_of,
)
from codi_core.services.shared.requests import ConditionRequest, MeansRequest, SteerRequest
from codi_core.services.uploads import eval_set_file
from codi_core.ui.shell import calls, codec, url
from codi_core.ui.shell.codec import PageSetup
from codi_core.ui.widgets import eval_choice, own_gold, passes_choice
from codi_core.ui.widgets.eval_choice import MOST

DEFAULT = "kv source=difference a=2 b=4 coefficient=2 indices=3"
SIZES = (50, 100, 200, 500, 1_000, 0)
CONTROLS = 24
Flags = dict[str, str]


def _methods(text: str) -> tuple[Method, ...]:
    """Raises InterventionError for what cannot be read, and for a coefficient out of range."""
    methods = methods_of(text)
    if not methods:
        raise InterventionError("The link names no intervention.")
    for method in methods:
        for name, value in method.coefficients.items():
            check_coefficient(value, name)
    return methods


@dataclass(frozen=True)
class Setup(PageSetup):
    """Everything on the page."""

    page = "steer"

    prompt: str = codec.text("prompt")
    """Empty: the one looked at already, or the first example."""
    gold: str = codec.text("gold")
    """Its answer as a person gives it; empty: what we know."""
    steps: str = codec.text("steps")
    """Its step values, with commas."""
    passes: int | None = passes_choice.param()
    methods: tuple[Method, ...] = codec.param(
        "steer", methods_of(DEFAULT), lambda values: _methods(values[0]), lambda value: [text_of(value)]
    )
    means_set: str = eval_choice.means_set()
    means_n: int = codec.whole("means-n", 500, MOST)
    means_only: Literal["all", "addition"] = codec.choice("means-only", ("all", "addition"))
    eval_set: str = eval_choice.eval_set("bundled")
    """A name in EVAL_SETS or of an uploaded file."""
    n: int = codec.whole("n", 200, MOST)
    seed: int = codec.whole("seed", 0, 2**31)
    overlap: bool = codec.switch("overlap", ("no", "yes"))
    against: Literal["same", "all"] = codec.choice("against", ("same", "all"))
    controls: int = codec.whole("controls", CONTROLS, 200)
    control_seed: int = codec.whole("control-seed", 0, 2**31)
    lens: str = codec.text("lens", "logit")
    unit: str = codec.choice("unit", ("raw", "dose"))
    cell: tuple[int, int] | None = codec.cell()
    track: tuple[str, ...] = codec.several("track")
    by: str = codec.choice("by", COLOUR_BY)
    beside: str = codec.text("beside", bound=True)
    flip: bool = codec.switch("flip", bound=True)
    present: bool = codec.switch("present", ("no", "yes"))
    """For a projector: no setup, larger type."""
    wrong: str = dataclasses.field(default="", compare=False)
    """What is wrong with the address's intervention, which is then replaced by the default; empty when nothing is."""

    @classmethod
    def example(cls) -> Setup:
        return cls(model="bundled-steps", prompt=team_prompt().question, methods=methods_of(DEFAULT))

    @classmethod
    def read(cls) -> Setup:
        try:
            _methods(url.read("steer", DEFAULT))
        except InterventionError as error:
            return dataclasses.replace(super().read(), wrong=f"{error} Shown instead: {DEFAULT}")
        return super().read()

    @property
    def means(self) -> MeansRequest:
        return MeansRequest(self.means_set, self.means_n, 0, self.means_only)

    def steer(self, model: str, prompt: str, passes: int, lens: str, tracked: tuple[str, ...] = ()) -> SteerRequest:
        return SteerRequest(
            model,
            prompt,
            self.methods,
            self.means,
            passes,
            control_seed=self.control_seed,
            lenses=(lens,),
            tracked=tracked,
            gold=self.gold.strip(),
            steps=own_gold.values_of(self.steps),
        )

    def condition(self, model: str, passes: int) -> ConditionRequest:
        """Raises DataError for an uploaded eval set that is gone."""
        return ConditionRequest(
            model=model,
            interventions=self.methods,
            eval_set=eval_set_file(calls.workbench().settings, self.eval_set),
            n=self.n,
            seed=self.seed,
            means=self.means,
            passes=passes,
            overlap=self.overlap,
            against=self.against,
            controls=self.controls,
        )

    @property
    def preset(self) -> str | None:
        """The preset this is an instance of, whatever its pair, index and coefficient."""
        if len(self.methods) != 1:
            return None
        flags = flags_of(self.methods[0])
        means, overlap = (self.means.eval_set, self.means.n, self.means.only), self.overlap
        for name, preset in PRESETS.items():
            sources = (preset.means, preset.theirs)
            if means in sources and preset.overlap == overlap and preset.make(*_essentials(flags)) == self.methods[0]:
                return name
        return None


def write_methods(*methods: Method) -> None:
    url.write("steer", text_of(methods))


# The changes of a form start from what is set when they are made, not from what was on screen: that may be older (see `url.read_all`).


def write_coefficient(coefficient: float) -> None:
    """The same intervention, pushed by another amount."""
    write_methods(*(method.with_coefficient(coefficient) for method in Setup.read().methods))


def write_preset(name: str, is_ours: bool) -> None:
    """Keeps pair, index and coefficient. ``is_ours``: the model learnt our problems."""
    preset = PRESETS[name]
    write_methods(preset.make(*_essentials(flags_of(Setup.read().methods[0]))))
    eval_set, n, only = preset.means_of(is_ours)
    for key, value in {"means": eval_set, "means-n": str(n), "means-only": only, "overlap": "yes" if preset.overlap else "no"}.items():
        url.write(key, value)
    if preset.overlap:  # the posts evaluated on the questions the means came from
        url.write("set", eval_set)


def write_flags(changes: Flags, kind: str | None = None) -> None:
    """One intervention with other options, or of another kind; those it does not have are left out, those it lacks get a default."""
    method = Setup.read().methods[0]
    flags = options(method) | changes
    write_methods(method_of(kind or method.kind, complete(METHODS[kind or method.kind], flags)))


def options(method: Method) -> Flags:
    """All of them, those left at their default too."""
    return complete(METHODS[method.kind], flags_of(method))


def _essentials(flags: Flags) -> tuple[int, int, int, float]:
    """A, B, index and coefficient, as far as there are any."""
    index = flags.get("indices", "").split(",")[0] or "3"
    return int(flags.get("a", 2)), int(flags.get("b", 4)), int(index), float(flags["coefficient"]) if "coefficient" in flags else 1.0
