"""``python -m benchmarks.instruments [MODEL …]``: what the lenses that ship are worth beside their controls; writes docs/instruments.md.

A model's section is written as soon as it is measured; sections of models that are not asked for stay.

J-lenses of a model that are missing are fitted first, from the same questions. Where the pause twin of a model is in cache/bundled/models,
it is measured, too: lenses of its own do not ship, and are fitted into the cache on fewer questions.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.control_lenses import other_indices, random_alike
from benchmarks.sections import rewrite
from benchmarks.token_swaps import HELD_OUT, Swapped, best_place, successes, swaps, swaps_table
from codi_core.engine.engine import Engine
from codi_core.evaluation.contrast import contrast
from codi_core.evaluation.detection import detection_map, value_hits
from codi_core.figures.contrast import amount
from codi_core.lenses.base import Lens
from codi_core.lenses.detection import read_questions
from codi_core.lenses.fitting import JacobianSpec
from codi_core.lenses.jacobian import JacobianLens, parse_variant
from codi_core.lenses.training import LensTrainSpec
from codi_core.problems.clusters import clusters_of
from codi_core.services.detect import DetectRequest, detect
from codi_core.services.lenses import JacobianFit, lens_menu, train_jlens, train_lens
from codi_core.services.shared.workbench import Workbench
from codi_core.services.twins import twin_of
from codi_core.settings import ROOT, Settings
from codi_core.values.callbacks import CheckCancelled
from codi_core.values.lens import JacobianCard, LensCard, LensReadings

DOCUMENT = ROOT / "docs" / "instruments.md"
SPEC = JacobianSpec(n_questions=240)
SHIPPED = ("local", "next-all", "answer", "answer-kv-all", "answer-z-all", "text")
"""With a J for every index where that is what one wants to read; together below 4 MB a model."""
TWIN_SPEC, TWIN_FITTED = JacobianSpec(n_questions=60, n_held_out=200), ("local", "answer", "text")
"""Of a twin, in whose latents nothing goes through z: minutes of one core."""
N, TOP = 300, 5
MODEL = r"### \S+"
"""The heading of a model's section."""
INTRO = f"""# Instruments: what they are worth on the models that ship

Written by `python -m benchmarks.instruments`.

## Lenses

A J-lens moves the residual stream of a cell by a mean Jacobian and unembeds it (`codi_core/lenses/jacobian.py`; Gurnee et al. 2026, here
for latent thoughts). `local`: what the cell makes its own latent say; `next`: the next latent; `answer`: the answer's first token, as a
whole or along one path (`kv`: the cache slot that later positions read, `z`: the latent that is fed back); `text`: the published estimator
on the prompt's text. `-all`: one J for all indices, else one for each. Fit your own:
`python -m codi_core train-jlens --model NAME --variant answer`.

*Detection*: share of questions where the value is among the first {TOP} tokens, mean over latents 1–6, minus the same for values of other
questions; {N} questions of `{HELD_OUT}`, none seen in fitting.

*Controls*: *random J* has the singular values of each J between random bases; *another index's J* reads every latent with the J of the
next index. Model and control read the same questions; *more* and *less* are where the 95 % interval of the paired difference leaves out 0.
A *pause twin* was trained as the model was, but its passes are fed one learned vector: nothing is fed back in it.

*Swap*: the direction of the model's answer exchanged for that of another question's answer at all depths 1 to L − 1, clamped to the
unsteered run, in questions of `{HELD_OUT}` that the model answers with one token. *Random*: random directions of the same lengths and
angle. Success is the other answer, exactly; everything else is counted, in brackets for the random ones.
"""


def main() -> None:
    models = sys.argv[1:] or ["bundled", "bundled-steps"]
    workbench = Workbench(Settings.from_env())
    for model in models:
        rewrite(DOCUMENT, "\n".join([INTRO, *section(workbench, model)]), at=MODEL)
    workbench.close()


def section(workbench: Workbench, model: str) -> Iterator[str]:
    cards = _fitted(workbench, model, SHIPPED, SPEC, workbench.settings.bundled_dir / "jlens" / model)
    readings = _all_read(workbench, model, SHIPPED)
    doubles = {name: own for variant in SHIPPED for name, own in _controls(workbench, model, f"jlens:{variant}").items()}
    found = _all_hits(readings)
    swapped, control = _swapped(workbench, model), _control(workbench, model)
    yield f"\n### {model}\n"
    yield _in_short(found, swapped, control) + "\n"
    yield from _fits(cards, _cards(workbench, model)["tuned:all"])
    for title, targets in _asked(readings):
        yield from _detection(title, found[title])
        yield from _beside_controls(found[title], {name: _hits(own, targets) for name, own in doubles.items()})
    yield from swaps_table(*swapped)
    if isinstance(control, str):
        yield f"\n{control}"
        return
    yield f"\n### {model} beside its pause twin, {control.name}\n"
    yield f"Lenses of the twin do not ship. They are fitted here, its J-lenses on {control.fitted} questions, fewer than the model's."
    for title, hits in control.found.items():
        yield from _detection(f"{title} in the twin", hits)
        yield from _beside_twin(title, found[title], hits)
    yield "\nIn the twin:"
    yield from swaps_table(*control.swapped)


@dataclass(frozen=True, eq=False)
class Control:
    """What is measured of the pause twin."""

    name: str
    fitted: int
    """Questions its J-lenses are fitted on."""
    found: dict[str, dict[str, Hits]]
    swapped: Swapped


def _control(workbench: Workbench, model: str) -> Control | str:
    """Or why there is none."""
    twin = twin_of(workbench, model)
    if twin is None or twin.differs:
        differs = f": trainings differ in {', '.join(twin.differs)}" if twin else ""
        return f"{model} had no pause twin beside it when this was measured{differs}."
    if "tuned:all" not in _cards(workbench, twin.name):
        train_lens(workbench, twin.name, LensTrainSpec("all"), "instruments", partial(_show, twin.name))
    cards = _fitted(workbench, twin.name, TWIN_FITTED, TWIN_SPEC, None)
    readings = _all_read(workbench, twin.name, TWIN_FITTED)
    return Control(twin.name, next(iter(cards.values())).n_prompts, _all_hits(readings), _swapped(workbench, twin.name))


def _in_short(found: dict[str, dict[str, Hits]], swapped: Swapped, control: Control | str) -> str:
    """The tables below, counted."""
    depths = next(iter(found.values()))["logit"].found.shape[1] - 1
    told = [_told(own, hits["logit"], depths) for hits in found.values() for name, own in hits.items() if name.startswith("jlens")]
    cells, more, less = len(told) * depths, *(sum(len(each[side]) for each in told) for side in ("more", "less"))
    words = [f"*In short*: of {cells} cells of J-lenses {more} show a value more often than the logit lens and {less} less often."]
    if place := best_place(swapped):
        own, random = (f"{share:.0%}" for share in successes(swapped, place))
        twins = "" if isinstance(control, str) else f", in the pause twin in {successes(control.swapped, place)[0]:.0%}"
        words.append(
            f"The best swap ({place[0]}, {place[1]}) gives the other answer in {own} of questions, a random one in {random}{twins}."
        )
    for title, hits in {} if isinstance(control, str) else control.found.items():
        beside = [_told(found[title][name], twin, depths) for name, twin in hits.items()]
        more, less = (sum(len(each[side]) for each in beside) for side in ("more", "less"))
        words.append(
            f"Of {len(beside) * depths} cells of all lenses {more} show {title} more often than in the twin and {less} less often."
        )
    return " ".join(words)


# What is fitted


def _fitted(workbench: Workbench, model: str, variants: Sequence[str], spec: JacobianSpec, root: Path | None) -> dict[str, JacobianCard]:
    """Cards of J-lenses, fitted first where one is missing."""
    cards = _cards(workbench, model)
    if not all(f"jlens:{variant}" in cards for variant in variants):
        train_jlens(workbench, model, JacobianFit(spec, tuple(map(parse_variant, variants))), "instruments", partial(_show, model), root)
        cards = _cards(workbench, model)
    found = {variant: cards[f"jlens:{variant}"] for variant in variants}
    return {variant: card for variant, card in found.items() if isinstance(card, JacobianCard)}


def _cards(workbench: Workbench, model: str) -> dict[str, LensCard]:
    return {option.name: option.card for option in lens_menu(workbench, model, "instruments") if option.card}


def _fits(cards: dict[str, JacobianCard], tuned: LensCard) -> Iterator[str]:
    first = cards["local"]
    assert (tuned.held_out_set, tuned.n_held_out, tuned.seed) == (first.held_out_set, first.n_held_out, first.seed), "other questions"
    yield (
        f"{first.n_prompts} questions of `{first.train_set}`. KL from the model's output to the lens in nats, mean over indices, on "
        f"{first.n_held_out} questions of `{first.held_out_set}`: a lens of the answer is not meant to come near the cell's own output. "
        "*Halves*: cosine between the Jacobians of two halves of the questions, mean over cells; in brackets that of token directions. "
        "*Tail*: largest ‖J‖ of a question over the median.\n"
    )
    yield "| lens | " + " | ".join(f"KL at depth {depth}" for depth in range(first.kl.shape[1] - 1)) + " | halves | tail |"
    yield "|---" * (first.kl.shape[1] + 2) + "|"
    for name, values in [
        ("logit", first.kl_plain),
        ("tuned:all", tuned.kl),
        *((f"jlens:{variant}", card.kl) for variant, card in cards.items()),
    ]:
        card = cards.get(name.partition(":")[2])
        halves = f"{_agreement(card.half_cosine)} ({_agreement(card.direction_cosine)})" if card else "–"
        tail = f"{card.norms[1] / card.norms[0]:.1f}" if card else "–"
        yield f"| {name} | " + " | ".join(f"{value:.2f}" for value in values[:, :-1].mean(0)) + f" | {halves} | {tail} |"


def _agreement(cosines: npt.NDArray[np.float32]) -> str:
    below = cosines[:, :-1]
    return f"{below[below != 0].mean():.2f}" if (below != 0).any() else "–"


# Detection


@dataclass(frozen=True, eq=False)
class Hits:
    found: npt.NDArray[np.float64]
    """``[question depth]``: share of latents 1..6, and of the targets, that show the value."""
    chance: npt.NDArray[np.float64]
    """``[depth]``"""
    clusters: Sequence[npt.NDArray[np.int64]]


def _all_read(workbench: Workbench, model: str, variants: Sequence[str]) -> dict[str, LensReadings]:
    return {name: _read(workbench, model, name) for name in ("logit", "tuned:all", *(f"jlens:{variant}" for variant in variants))}


def _read(workbench: Workbench, model: str, lens: str) -> LensReadings:
    print(f"{model}: reading {lens}", file=sys.stderr, flush=True)
    return list(detect(workbench, DetectRequest(model, HELD_OUT, N, lens=lens), "instruments"))[-1]


def _controls(workbench: Workbench, model: str, name: str) -> dict[str, LensReadings]:
    """What a J-lens' random double, and itself with other indices' Js, read in the questions it read."""
    own = _read(workbench, model, name)

    def work(engine: Engine, check_cancelled: CheckCancelled) -> dict[str, LensReadings]:
        lens = workbench.lens(engine, name)
        assert isinstance(lens, JacobianLens)
        doubles: list[Lens] = [double for double in (random_alike(lens), other_indices(lens)) if double]
        return {each.name: read_questions(engine, each, own.spec, own.questions, own.targets, check_cancelled) for each in doubles}

    return workbench.run(model, work, "instruments")


def _all_hits(readings: dict[str, LensReadings]) -> dict[str, dict[str, Hits]]:
    """By what is looked for, then by lens."""
    return {title: {name: _hits(own, targets) for name, own in readings.items()} for title, targets in _asked(readings)}


def _swapped(workbench: Workbench, model: str) -> Swapped:
    return workbench.run(model, lambda engine, _: swaps(workbench, engine, partial(_show, model)), "instruments")


def _asked(readings: dict[str, LensReadings]) -> list[tuple[str, tuple[str, ...]]]:
    steps = tuple(target for target in readings["logit"].targets if target != "answer")
    return [("the answer", ("answer",)), ("the values of the steps before it", steps)]


def _hits(readings: LensReadings, targets: Sequence[str]) -> Hits:
    """A question counts where it has any of the targets; several are averaged."""
    shape = (len(readings.questions), readings.top_ids.shape[2])
    total, counted, chance = np.zeros(shape), np.zeros(shape[0]), np.zeros(shape[1])
    for target in targets:
        rows, hits = value_hits(readings, target)
        total[rows] += hits[:, TOP - 1, 1:].mean(1)
        counted[rows] += 1
        chance += len(rows) * detection_map(readings, target).permuted.value[TOP - 1, 1:].mean(0)
    rows = np.flatnonzero(counted)
    clusters = clusters_of([readings.questions[row] for row in rows])
    return Hits(total[rows] / counted[rows, None], chance / counted.sum(), clusters)


def _detection(title: str, hits: dict[str, Hits]) -> Iterator[str]:
    depths = hits["logit"].found.shape[1] - 1
    yield f"\nDetection of {title} ({len(hits['logit'].found)} questions), by depth:\n"
    yield from _by_depth(hits, depths)
    lenses = [name for name in hits if name.startswith("jlens")]
    told = {(name, other): _told(hits[name], hits[other], depths) for name in lenses for other in ("logit", "tuned:all")}
    more, less = (sum(len(told[name, "logit"][side]) for name in lenses) for side in ("more", "less"))
    yield f"\nOf {len(lenses) * depths} cells of J-lenses {more} show it more often than the logit lens and {less} less often:\n"
    for name in lenses:
        yield f"* {name}: " + "; ".join(_against(told[name, other], other) for other in ("logit", "tuned:all")) + "."


def _by_depth(hits: dict[str, Hits], depths: int) -> Iterator[str]:
    yield "| lens | " + " | ".join(map(str, range(depths))) + " |\n" + "|---" * (depths + 1) + "|"
    for name, own in hits.items():
        yield f"| {name} | " + " | ".join(f"{value:+.1%}" for value in (own.found.mean(0) - own.chance)[:depths]) + " |"


def _beside_controls(hits: dict[str, Hits], controls: dict[str, Hits]) -> Iterator[str]:
    """``controls`` are called as the lens, a comma, and what was changed."""
    depths = hits["logit"].found.shape[1] - 1
    yield "\nThe same with the controls of each J-lens:\n"
    yield from _by_depth(controls, depths)
    yield ""
    for name in (name for name in hits if name.startswith("jlens")):
        own = [(other.partition(", ")[2], hit) for other, hit in controls.items() if other.partition(",")[0] == name]
        yield f"* {name}: " + "; ".join(_against(_told(hits[name], hit, depths), other) for other, hit in own) + "."


def _beside_twin(title: str, own: dict[str, Hits], control: dict[str, Hits]) -> Iterator[str]:
    """Points by which a model shows it more often than its twin, lens by lens."""
    depths = own["logit"].found.shape[1] - 1
    yield f"\nDetection of {title}, model − twin in points (95 % interval), by depth:\n"
    yield "| lens | " + " | ".join(map(str, range(depths))) + " |\n" + "|---" * (depths + 1) + "|"
    for name, twin in control.items():
        means = contrast(own[name].found - own[name].chance, twin.found - twin.chance, twin.clusters).difference
        parts = ([amount(float(value), True) for value in part[:depths]] for part in (means.value, means.low, means.high))
        yield f"| {name} | " + " | ".join(f"{value} ({low} to {high})" for value, low, high in zip(*parts, strict=True)) + " |"


def _told(own: Hits, other: Hits, depths: int) -> dict[str, list[int]]:
    """Depths where the 95 % interval of the paired difference leaves out 0, chance taken as known."""
    found = contrast(own.found - own.chance, other.found - other.chance, own.clusters).difference
    sides = {"more": found.low > 0, "less": found.high < 0}
    return {side: np.flatnonzero(at[:depths]).tolist() for side, at in sides.items()}


def _against(told: dict[str, list[int]], name: str) -> str:
    words = [f"{side} than {name} at depth {', '.join(map(str, at))}" for side, at in told.items() if at]
    return " and ".join(words) or f"not told from {name} at any depth"


def _show(model: str, stage: str, done: int, total: int) -> None:
    print(f"\r{model}: {stage} {done:,} / {total:,}", end="\n" if done == total else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
