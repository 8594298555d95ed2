"""The whole folder: which pages there are, what they may weigh, and what made them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from codi_core.errors import InputError
from codi_core.publish.claims import claims_page
from codi_core.publish.heatmaps import name_of, sweep_page, sweeps_page
from codi_core.publish.html import Page, assets, render
from codi_core.publish.prompts import VIEWER, detection_page, inspections, prompt_page, prompts_page
from codi_core.publish.tour import accuracy_table, tour_page
from codi_core.services.cards import model_card
from codi_core.services.claims import verdicts
from codi_core.services.evaluate import EvalReport, stored_evals
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.claims import SETTINGS, Finding, evidence, findings_of, latest
from codi_core.services.sweeps.stored import of_model, stored_sweeps
from codi_core.store import Store
from codi_core.values.callbacks import OnProgress
from codi_core.values.model import ModelSpec
from codi_core.values.sweep import SweepTable
from codi_core.version import code_version, version

RECORD = "published.json"
"""What made the folder, and the SHA-256 of its files: a folder that has it may be written again."""
MOST_BYTES = 30_000_000
EVAL_SET = "templates"
"""Of the sweeps that claims are tested on."""
USUAL = ("bundled-steps", "bundled")


@dataclass(frozen=True)
class PublishRequest:
    models: tuple[str, ...] = USUAL
    """The first is the one that reads the prompts."""


@dataclass(frozen=True)
class Published:
    folder: Path
    files: int
    size: int
    """Bytes."""
    left_out: tuple[str, ...]
    """Sweeps that would have made it too large."""


def publish(
    workbench: Workbench, folder: Path, request: PublishRequest = PublishRequest(), progress: OnProgress | None = None
) -> Published:
    """Write the pages. Raises InputError for a folder with other things in it, and ModelError when a model cannot be opened."""
    _make_room(folder)
    footer = f"Made by codi publish, CODI Explorer {version()} ({code_version()[:10]}); MIT licence. Same sources, same bytes."
    every = stored_sweeps(workbench.store)
    wanted, found = _sweeps(every, request.models), _findings(workbench.store, every, request.models)
    files = assets()
    for page in _small_pages(workbench, request.models):
        files[page.name] = render(page, footer)
    kept: list[SweepTable] = []
    left_out: list[SweepTable] = []
    for number, sweep in enumerate(wanted, 1):
        content = render(sweep_page(workbench.store, sweep), footer)
        room = MOST_BYTES - sum(map(len, files.values())) - 1_000_000 * len(found)
        if len(content) <= room:
            files[name_of(sweep)] = content
            kept.append(sweep)
        else:
            left_out.append(sweep)
        if progress:
            progress(number, len(wanted))
    tables, pages = {sweep.key: sweep for sweep in wanted}, {sweep.key: name_of(sweep) for sweep in kept}
    field = verdicts(workbench.store, request.models)
    claims = claims_page({model: field[model] for model in request.models}, found, tables, pages)
    for page in (sweeps_page(kept, left_out), claims):
        files[page.name] = render(page, footer)
    _write(folder, files, request, [sweep.key for sweep in kept])
    size = sum(map(len, files.values())) + (folder / RECORD).stat().st_size
    return Published(folder, len(files) + 1, size, tuple(f"{sweep.model_name}, {sweep.title}" for sweep in left_out))


def _small_pages(workbench: Workbench, models: Sequence[str]) -> Iterator[Page]:
    cards = {model: model_card(workbench, model, VIEWER) for model in models}
    reading = models[0]
    passes = cards[reading].passes
    if passes is None:
        raise InputError(f"No file says how many latents {reading} was trained with ({cards[reading].passes_hint}): publish another model.")
    evals = {model: _evals(stored_evals(workbench, card.spec)) for model, card in cards.items()}
    accuracies, conditions = accuracy_table(evals), [_condition(card.spec, evals[model]) for model, card in cards.items()]
    yield tour_page(accuracies, conditions)
    found, lenses = inspections(workbench, reading, passes)
    yield prompts_page(found, accuracies, conditions)
    for place, inspection in enumerate(found):
        yield prompt_page(place, inspection, lenses)
    yield detection_page(workbench, models, passes)


def _condition(model: ModelSpec, evals: Sequence[EvalReport]) -> str:
    keys = ", ".join(f"{report.spec.eval_set.name} {report.spec.key}" for report in evals)
    return f"{model.name} · weights {model.checkpoint[:8]} · {model.dtype} · evals: {keys or 'none'}"


def _evals(found: Sequence[EvalReport]) -> list[EvalReport]:
    """The largest of each eval set and number of passes, with latent thoughts."""
    best: dict[tuple[str, int], EvalReport] = {}
    for report in sorted(found, key=lambda report: report.accuracy.n):
        if report.spec.mode == "latent":
            best[report.spec.eval_set.name, report.spec.rollout.passes] = report
    return [best[name] for name in sorted(best)]


def _sweeps(every: Sequence[SweepTable], models: Sequence[str]) -> list[SweepTable]:
    """What the claims are tested on: the newest whole sweep of each preset."""
    presets = dict.fromkeys(preset for setting in SETTINGS.values() for preset in setting.values())
    found = [latest(of_model(every, model), preset, EVAL_SET) for model in models for preset in presets]
    return [table for table in found if table is not None]


def _findings(store: Store, every: Sequence[SweepTable], models: Sequence[str]) -> dict[tuple[str, str], list[Finding]]:
    """By model and setting."""
    found = {}
    for setting, presets in SETTINGS.items():
        for model in models:
            tables = {family: latest(of_model(every, model), preset, EVAL_SET) for family, preset in presets.items()}
            own = {family: evidence(store, table) if table else None for family, table in tables.items()}
            found[model, setting] = findings_of(own, model, EVAL_SET, setting)
    return found


def _make_room(folder: Path) -> None:
    """A new or empty folder, or one that was published before, whose pages go."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            return
        if not (folder / RECORD).is_file():
            raise InputError(f"{folder} has other things in it: name an empty folder, or one that was published before.")
        for name in json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]:
            (folder / Path(name).name).unlink(missing_ok=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder} cannot be written to ({error}): name another folder.") from error


def _write(folder: Path, files: dict[str, bytes], request: PublishRequest, sweeps: Sequence[str]) -> None:
    record = {
        "code": code_version(),
        "version": version(),
        "models": list(request.models),
        "sweeps": list(sweeps),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    try:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder} cannot be written to ({error}): name another folder.") from error
