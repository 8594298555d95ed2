"""Passports: what a checkpoint is, whether it is computed as it is defined, and whether it is as good as was published."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from codi_core.device import machine_name
from codi_core.errors import DataError, InputError
from codi_core.keys import from_canonical
from codi_core.models.model import CodiModel
from codi_core.models.presets import known
from codi_core.problems.evalsets import EVAL_SETS, load_eval_set, set_of
from codi_core.services.evaluate import EvalRequest, evaluating, shipped_accuracy
from codi_core.services.selfcheck import selfcheck
from codi_core.services.shared.workbench import Workbench
from codi_core.store import Artifact, Store, save_json
from codi_core.values.callbacks import OnProgress, OnWait
from codi_core.values.evals import EvalSpec
from codi_core.values.model import LedgerEntry, ModelSpec
from codi_core.values.passport import Check, Passport, PassportSpec, Published
from codi_core.values.stats import Share

PASSPORTS = "passports"
"""Kind of artifacts."""
FILE = "passport.json"
OURS, THEIRS = "bundled", "gsm8k"
"""Eval sets of models of which nothing was published: those trained on our problems, and all others."""


@dataclass(frozen=True)
class VerifyRequest:
    model: str = ""
    """Name of a preset, a hub id or a folder; empty: the one of the settings."""
    eval_set: str = ""
    """A name in EVAL_SETS, or a file; empty: the one that something was published on."""
    n: int = 0
    """0 = all, or 1,000 of a generated set."""
    seed: int = 0
    passes: int | None = None
    """None: as the model was trained."""


@dataclass(frozen=True)
class _Facts:
    """What is asked of the loaded model."""

    model: ModelSpec
    passes: int | None
    passes_hint: str
    is_ours: bool
    """Trained by this project, on its own problems."""
    ledger: tuple[LedgerEntry, ...]
    assumed: tuple[str, ...]
    notes: tuple[str, ...]
    machine: str


@dataclass(frozen=True)
class Verification:
    """How far the making of a passport is."""

    done: int
    total: int
    """Questions of its eval set; 0: none can be had."""
    passport: Passport | None = None
    """In the end."""


def verify(
    workbench: Workbench,
    request: VerifyRequest,
    on_progress: OnProgress | None = None,
    viewer: str = "verify",
    on_wait: OnWait | None = None,
    fresh: bool = False,
) -> Passport:
    """What `verifying` comes to, and raises."""
    found = None
    for step in verifying(workbench, request, viewer, on_wait, fresh):
        found = step.passport
        if on_progress and step.done:
            on_progress(step.done, step.total)
    assert found is not None
    return found


def verifying(
    workbench: Workbench, request: VerifyRequest, viewer: str = "verify", on_wait: OnWait | None = None, fresh: bool = False
) -> Iterator[Verification]:
    """The stored passport, or a new one, which is then stored. All of a new one is computed here, whatever was stored or shipped before.

    When no eval set was asked for and its questions cannot be had, it is made without an accuracy and says why. Raises ModelError when the
    model cannot be loaded, InputError when nothing says how many passes it runs, DataError for an eval set that was asked for.
    """
    name = request.model or workbench.settings.model
    facts = workbench.run(name, lambda engine, _: _facts(engine.model), viewer, on_wait)
    passes = facts.passes if request.passes is None else request.passes
    if passes is None:
        raise InputError(f"No file says how many latents {facts.model.name} was trained with ({facts.passes_hint}): give --passes.")
    wanted = EvalRequest(name, request.eval_set or _usual_set(name, facts.is_ours), request.n, request.seed, passes)
    unmeasured, spec = "", PassportSpec(facts.model, passes, None)
    try:
        eval_set = load_eval_set(wanted.eval_set, wanted.n, wanted.seed)[0]
        spec = PassportSpec(facts.model, passes, EvalSpec(facts.model, eval_set, wanted.rollout))
    except DataError as error:
        if request.eval_set:
            raise
        unmeasured = str(error)
    if not fresh and workbench.store.find(PASSPORTS, spec.key) is not None:
        yield Verification(0, 0, _passport(workbench.store.read(PASSPORTS, spec.key)))
        return
    yield Verification(0, spec.eval.eval_set.n if spec.eval else 0)
    checks = tuple(selfcheck(workbench, name, viewer, on_wait))
    done, total, accuracy = 0, 0, None
    for done, total, report in evaluating(workbench, wanted, viewer, on_wait) if spec.eval else ():
        yield Verification(done, total)
        accuracy = report.accuracy if report else None
    published, hub_id = _published(workbench, name, spec), known(name).hub_id
    made = Passport(spec, hub_id, facts.ledger, facts.assumed, facts.notes, checks, accuracy, unmeasured, published, facts.machine)
    yield Verification(done, total, _stored(workbench, made))


def stored_passport(store: Store, model: ModelSpec) -> Passport | None:
    """Of these weights, asked this way: the newest, one with an accuracy first; made here or before it shipped. None: there is none.

    Raises ArtifactError for one whose files have changed.
    """
    artifacts = [store.read(PASSPORTS, key) for key in store.keys(PASSPORTS)]
    found = [_passport(one) for one in artifacts if from_canonical(PassportSpec, one.meta.spec).is_of(model)]
    return max(found, key=lambda one: (one.accuracy is not None, one.made, one.spec.key), default=None)


def _facts(model: CodiModel) -> _Facts:
    return _Facts(
        model.spec,
        model.passes,
        model.family.passes_hint,
        model.is_ours,
        model.ledger,
        model.assumed,
        model.notes,
        machine_name(model.device),
    )


def _usual_set(name: str, is_ours: bool) -> str:
    return next((one.eval_set for one in known(name).published if one.eval_set in EVAL_SETS), OURS if is_ours else THEIRS)


def _published(workbench: Workbench, name: str, spec: PassportSpec) -> Published | None:
    """By its authors; of the models that ship, by this repository."""
    if spec.eval is None:
        return None
    eval_set = spec.eval.eval_set.name
    if (theirs := known(name).published_on(set_of(eval_set))) is not None:
        return theirs
    shipped = shipped_accuracy(workbench, spec.eval)
    return Published(eval_set, shipped.value, shipped.n, "docs/bundled-results.md") if shipped else None


def _stored(workbench: Workbench, passport: Passport) -> Passport:
    store, key = workbench.store, passport.spec.key
    shutil.rmtree(store.path(PASSPORTS, key), ignore_errors=True)
    with store.write(PASSPORTS, passport.spec) as folder:
        save_json(folder / FILE, asdict(passport))
    return _passport(store.read(PASSPORTS, key))


def _passport(artifact: Artifact) -> Passport:
    meta, data = artifact.meta, artifact.json(FILE)
    parts: dict[str, Any] = {
        "spec": from_canonical(PassportSpec, meta.spec),
        "ledger": tuple(LedgerEntry(**entry) for entry in data["ledger"]),
        "assumed": tuple(data["assumed"]),
        "notes": tuple(data["notes"]),
        "checks": tuple(Check(**check) for check in data["checks"]),
        "accuracy": data["accuracy"] and Share(**data["accuracy"]),
        "published": data["published"] and Published(**data["published"]),
        "versions": {"code": meta.code, **meta.libraries},
        "made": meta.created,
    }
    return Passport(**{**data, **parts})
