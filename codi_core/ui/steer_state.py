"""What is steered, as the URL says it: one readable text for the intervention, and a few names and numbers around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from codi_core.errors import InterventionError
from codi_core.problems.evalsets import EVAL_SETS
from codi_core.services.effects import ConditionRequest
from codi_core.services.steer import MeansRequest, SteerRequest
from codi_core.services.uploads import eval_set_file
from codi_core.steering.limits import check_coefficient
from codi_core.steering.methods import METHODS, Field, Method, fields_of, flags_of, method_of, methods_of, text_of
from codi_core.steering.presets import PRESETS
from codi_core.steering.vectors import SOURCES
from codi_core.ui import calls, state

DEFAULT = "kv source=difference a=2 b=4 coefficient=2 indices=3"
SIZES = {"50": 50, "100": 100, "200": 200, "500": 500, "1,000": 1_000, "all": 0}
MEANS_SETS = ("means", "select", "confirm", "bundled", "templates")
CONTROLS = 24
UPLOADED = "upload-"
"""How names of uploaded files begin."""
NEEDED = {"a": "2", "b": "4", "coefficient": "1", "indices": "5", "index": "3", "value": "8", "by": "mean", "source": "difference"}
"""For options a person has not chosen yet and that have no default."""
Flags = dict[str, str]


@dataclass(frozen=True)
class Setup:
    """Everything on the page but the prompt and the passes."""

    methods: tuple[Method, ...]
    means: MeansRequest
    eval_set: str
    """A name in EVAL_SETS or of an uploaded file."""
    n: int
    seed: int
    overlap: bool
    against: Literal["same", "all"]
    controls: int
    control_seed: int

    def steer(self, model: str, prompt: str, passes: int, lens: str, tracked: tuple[str, ...] = ()) -> SteerRequest:
        return SteerRequest(
            model, prompt, self.methods, self.means, passes, control_seed=self.control_seed, lenses=(lens,), tracked=tracked
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
            if (preset.means, preset.overlap) == (means, overlap) and preset.make(*_essentials(flags)) == self.methods[0]:
                return name
        return None


def read() -> tuple[Setup, str]:
    """The setup, and what is wrong with the URL's intervention, which is then replaced by the default; empty when nothing is."""
    wrong = ""
    try:
        methods = methods_of(state.read("steer", DEFAULT))
        if not methods:
            raise InterventionError("The link names no intervention.")
        for method in methods:
            for name, value in method.coefficients.items():
                check_coefficient(value, name)
    except InterventionError as error:
        methods, wrong = methods_of(DEFAULT), f"{error} Shown instead: {DEFAULT}"
    only = _choice("means-only", ("all", "addition"))
    setup = Setup(
        methods=methods,
        means=MeansRequest(_choice("means", MEANS_SETS), _whole("means-n", 500, 5_000), 0, cast(Literal["all", "addition"], only)),
        eval_set=_eval_set(),
        n=_whole("eval-n", 200, 5_000),
        seed=_whole("eval-seed", 0, 2**31),
        overlap=_choice("overlap", ("no", "yes")) == "yes",
        against=cast(Literal["same", "all"], _choice("against", ("same", "all"))),
        controls=_whole("controls", CONTROLS, 200),
        control_seed=_whole("control-seed", 0, 2**31),
    )
    return setup, wrong


def write_methods(*methods: Method) -> None:
    state.write("steer", text_of(methods))


# The changes of a form start from what is set when they are made, not from what was on screen: that may be older (see `state.read_all`).


def write_coefficient(coefficient: float) -> None:
    """The same intervention, pushed by another amount."""
    write_methods(*(method.with_coefficient(coefficient) for method in read()[0].methods))


def write_preset(name: str) -> None:
    """Keeps pair, index and coefficient."""
    preset = PRESETS[name]
    write_methods(preset.make(*_essentials(flags_of(read()[0].methods[0]))))
    eval_set, n, only = preset.means
    for key, value in {"means": eval_set, "means-n": str(n), "means-only": only, "overlap": "yes" if preset.overlap else "no"}.items():
        state.write(key, value)
    if preset.overlap:  # the posts evaluated on the questions the means came from
        state.write("eval-set", eval_set)


def write_flags(changes: Flags, kind: str | None = None) -> None:
    """One intervention with other options, or of another kind; those it does not have are left out, those it lacks get a default."""
    method = read()[0].methods[0]
    flags = options(method) | changes
    if "space" in changes:
        flags["layer"] = "" if flags["space"] != "resid" else flags.get("layer") or "1"
    write_methods(method_of(kind or method.kind, complete(METHODS[kind or method.kind], flags)))


def options(method: Method) -> Flags:
    """All of them, those left at their default too."""
    return complete(METHODS[method.kind], flags_of(method))


def complete(spec: type, flags: Flags) -> Flags:
    """All options of a method or source, and of its sources, as text."""
    found: Flags = {}
    for field in fields_of(spec):
        found[field.name] = _usable(field, flags.get(field.name))
        if field.type == "source":
            found |= complete(SOURCES[found[field.name]], flags)
    return found


def _usable(field: Field, text: str | None) -> str:
    fallback = NEEDED.get(field.name, "") if field.default is None else field.default
    if field.choices and text not in field.choices:
        return fallback if fallback in field.choices else field.choices[0]
    return fallback if text is None else text


def _essentials(flags: Flags) -> tuple[int, int, int, float]:
    """A, B, index and coefficient, as far as there are any."""
    index = (flags.get("indices") or NEEDED["indices"]).split(",")[0]
    return int(flags.get("a", 2)), int(flags.get("b", 4)), int(index), float(flags["coefficient"]) if "coefficient" in flags else 1.0


def _eval_set() -> str:
    given = state.read("eval-set", "bundled")
    return given if given in EVAL_SETS or given.startswith(UPLOADED) else "bundled"


def _choice(name: str, choices: tuple[str, ...], default: str = "") -> str:
    default = default or choices[0]
    given = state.read(name, default)
    return given if given in choices else default


def _whole(name: str, default: int, most: int) -> int:
    given = state.read(name, str(default))
    return int(given) if given.isdecimal() and len(given) < 11 and int(given) <= most else default
