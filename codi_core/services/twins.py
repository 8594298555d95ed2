"""The control of a model: its pause twin, trained as it was but for what its passes are fed. What both show is no thought fed back."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codi_core.errors import InputError
from codi_core.evaluation.contrast import contrast
from codi_core.evaluation.stats import compare
from codi_core.models.presets import PRESETS, read_json_object
from codi_core.problems.clusters import clusters_of
from codi_core.services.evaluate import EvalReport
from codi_core.services.shared.workbench import Workbench
from codi_core.values.stats import PairedComparison

__all__ = ["AccuracyContrast", "Twin", "accuracy_contrasts", "contrast", "control_of", "twin_of"]

SUFFIX = "-pause"
OWN = {"name", "key", "kind", "latent_input"}
"""What the trainings of a model and of its control may differ in."""


@dataclass(frozen=True)
class Twin:
    name: str
    """What requests call it: a preset or a folder."""
    differs: tuple[str, ...]
    """What else the trainings differ in, in words: it is a control only when nothing does."""


def twin_of(workbench: Workbench, model: str) -> Twin | None:
    """The checkpoint beside that of ``model`` whose name ends with ``-pause``, as `train` lays them out; None when there is none.

    Raises ModelError for a ``codi.json`` that cannot be read.
    """
    own = _folder(workbench, model)
    beside = own and _beside(own)
    if own is None or beside is None:
        return None
    mine, theirs = (_card(folder) for folder in (own, beside))
    if theirs.get("latent_input") != "shared" or mine.get("latent_input") == "shared":
        return None
    name = f"{model}{SUFFIX}" if model in PRESETS and f"{model}{SUFFIX}" in PRESETS else str(beside)
    return Twin(name, _differences(mine.get("training", {}), theirs.get("training", {})))


def control_of(workbench: Workbench, model: str) -> str:
    """The name of its control. Raises InputError when there is none, or a twin that was trained otherwise."""
    twin = twin_of(workbench, model)
    if twin is None:
        raise InputError(
            f"{model} has no control beside it: a pause twin of the same training in a folder that is called as its own and ends with "
            f"{SUFFIX}. `python -m codi_core train --preset bundled-pause` trains one (docs/bundled-model.md)."
        )
    if twin.differs:
        raise InputError(f"{twin.name} is no control of {model}: their trainings differ in {', '.join(twin.differs)}.")
    return twin.name


@dataclass(frozen=True)
class AccuracyContrast:
    """One eval set answered in one way by a model and by its control."""

    own: EvalReport
    control: EvalReport
    paired: PairedComparison
    """From the control (a) to the model (b)."""


def accuracy_contrasts(own: Sequence[EvalReport], control: Sequence[EvalReport]) -> list[AccuracyContrast]:
    """Every evaluation that both have, question by question."""
    theirs = {_asked(report): report for report in control}
    both = [(report, theirs[_asked(report)]) for report in own if _asked(report) in theirs]
    return [AccuracyContrast(mine, other, compare(other.run.correct, mine.run.correct, clusters_of(mine.run.rows))) for mine, other in both]


def _asked(report: EvalReport) -> tuple[Hashable, ...]:
    return report.spec.eval_set, report.spec.rollout, report.spec.mode, tuple(row.id for row in report.run.rows)


def _folder(workbench: Workbench, model: str) -> Path | None:
    """None for models of the hub."""
    request = workbench.models.get(model)
    name = request.name if request else model
    place = workbench.settings.bundled_dir / "models" / name if name in PRESETS else Path(name).expanduser()
    return place if place.is_dir() else None


def _beside(folder: Path) -> Path | None:
    """Of ``runs/NAME/checkpoint`` it is ``runs/NAME-pause/checkpoint``, of any other ``NAME`` its neighbour ``NAME-pause``."""
    if folder.name == "checkpoint":
        found = folder.parent.with_name(folder.parent.name + SUFFIX) / folder.name
    else:
        found = folder.with_name(folder.name + SUFFIX)
    return found if found.is_dir() else None


def _card(folder: Path) -> dict[str, Any]:
    path = folder / "codi.json"
    return read_json_object(path) if path.is_file() else {}


def _differences(mine: dict[str, Any], theirs: dict[str, Any]) -> tuple[str, ...]:
    names = sorted((mine.keys() | theirs.keys()) - OWN)
    return tuple(
        f"{name.replace('_', ' ')} {mine.get(name)} and {theirs.get(name)}" for name in names if mine.get(name) != theirs.get(name)
    )
