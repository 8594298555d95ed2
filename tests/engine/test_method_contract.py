"""What every row of METHODS and SOURCES keeps to, without naming one: see `codi_core.steering.contract`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from codi_core.engine.cache import Cache
from codi_core.engine.engine import Engine
from codi_core.evaluation.prepared import PreparedSet
from codi_core.evaluation.rolled import Plan
from codi_core.steering import methods as table
from codi_core.steering.context import Directions
from codi_core.steering.contract import DOSES
from codi_core.steering.edits import Edit
from codi_core.steering.flags import Field, complete, fields_of, flags_of, method_of, methods_of, source_of, text_of
from codi_core.steering.methods import Method
from codi_core.steering.vectors import SOURCES
from codi_core.sweeps.presets import variants
from tests.engine.steering import CONFIG, MEANS_QUESTIONS, PASSES, QUESTIONS, assert_bits, baseline, condition, directions_of, runs

KNOWN = {"value": f"{MEANS_QUESTIONS[0].steps[0]:g}", "step": "1", "token": "8", "into": "3"}
"""A step of a question behind the means, and single tokens: another value may have no prompt, another text several tokens."""
CHANGED = {"layer": "1", "head": "1", "index": "1", "depth": "2"}
"""By what a field counts: another value than a form starts with, on the models of these tests."""
VALUES = {"switch": ("True", "False"), "number": ("0.5",), "whole": ("2",), "text": ("How many is 4 times 5?",)}
"""By the type of a field."""
ALPHA = 5.0


def variations(spec: type, inner: bool = False) -> Iterator[dict[str, str]]:
    """What a form starts with, then one option changed at a time; of sources of sources (``inner``) no more."""
    first = complete(spec, KNOWN)
    yield first
    for field in [] if inner else fields_of(spec):
        needed = {name: values[0] for name, values in field.option.when.items()}
        for value in values_of(field):
            changed = complete(spec, {**first, **needed, field.name: value, **KNOWN})
            if field.type != "source":
                yield changed
                continue
            for own in variations(SOURCES[value], inner=spec in SOURCES.values()):
                yield complete(spec, {**changed, **own})


def values_of(field: Field) -> tuple[str, ...]:
    if field.option.shown == "dial" or field.name in KNOWN:
        return ()
    if field.option.counts is not None:
        return (CHANGED[field.option.counts],)
    return field.choices or VALUES[field.type]


def made() -> dict[str, Method]:
    """By their text."""
    found = [method_of(kind, flags) for kind, spec in table.METHODS.items() for flags in variations(spec)]
    return {text_of([method]): method for method in found}


MADE = made()


@pytest.fixture(scope="module")
def bench(engines: dict[str, Engine]) -> tuple[PreparedSet, Directions]:
    return PreparedSet(engines["llama"], QUESTIONS, CONFIG), directions_of(engines["llama"])


@pytest.fixture
def engine(bench: tuple[PreparedSet, Directions]) -> Engine:
    return bench[0].engine


def test_the_made_ones_cover_every_choice_of_every_field() -> None:
    for kind, spec in table.METHODS.items():
        seen = [flags_of(method) for method in MADE.values() if method.kind == kind]
        for field in fields_of(spec):
            for choice in field.choices:
                assert choice == field.default or any(flags.get(field.name) == choice for flags in seen), (kind, field.name, choice)


@pytest.mark.parametrize("text", MADE)
def test_coefficient_zero_is_the_baseline_bit_for_bit(bench: tuple[PreparedSet, Directions], engine: Engine, text: str) -> None:
    zero = condition(engine, MADE[text].with_coefficient(0.0))
    assert table.all_zero(zero.interventions) and MADE[text].with_coefficient(0.0).coefficient == 0
    zero.check(engine.model, (), QUESTIONS)
    assert_bits(runs(bench, zero)[0], baseline(bench, zero)[0])


@pytest.mark.parametrize("text", MADE)
def test_nothing_changes_outside_what_is_declared(bench: tuple[PreparedSet, Directions], engine: Engine, text: str) -> None:
    """Every pass is run again, with the edits and without: residuals and cache slots, bit for bit."""
    prepared, directions = bench
    method = MADE[text].with_coefficient(ALPHA)
    steered = condition(engine, method)
    whole = Plan(0, 0, steered.passes, 1)
    with engine.exclusively():
        edits = prepared.edits_of(0, [steered], directions, lambda: None)
        (cache, latents), (plain, unedited) = (prepared.think_on(0, own, whole, record=True) for own in (edits, [()]))
        assert latents is not None and latents.resid is not None and unedited is not None and unedited.resid is not None
        changed = (latents.resid != unedited.resid).any(-1).any(0).cpu().numpy()
        slots = [any(not torch.equal(*pair) for pair in _slots(cache, plain, index)) for index in range(steered.passes + 1)]
    area = method.reach((changed.shape[0], changed.shape[1]))
    assert not (changed & ~area.cells).any()
    assert all(changed[index].any() for index in np.flatnonzero(area.cells.any(1))), "what is said to be reached does change"
    assert not changed[: method.first_pass].any()
    assert not any(slots[: method.first_slot])
    assert area.site.any() or min(method.indices) + 1 > steered.passes


def _slots(a: Cache, b: Cache, index: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(a.keys[:, :, :, index], b.keys[:, :, :, index]), (a.values[:, :, :, index], b.values[:, :, :, index])]


@pytest.mark.parametrize("text", MADE)
def test_text_and_flags_give_the_method_back(text: str) -> None:
    method = MADE[text]
    assert methods_of(text) == (method,)
    assert method_of(method.kind, flags_of(method)) == method
    assert method_of(method.kind, complete(type(method), flags_of(method))) == method


@pytest.mark.parametrize("text", MADE)
def test_a_control_is_the_same_edit_in_another_direction(bench: tuple[PreparedSet, Directions], engine: Engine, text: str) -> None:
    prepared, directions = bench
    method = MADE[text]
    found = [method.control(seed, how) for seed in (0, 1) for how in ("random", "shuffled")]
    assert method not in found
    assert found[0] != found[2]
    assert (method.control(0), method.control(1)) == (found[0], found[2]), "the same one for the same seed"
    for control in found:
        assert (control.kind, control.indices, control.space, control.coefficients) == (
            method.kind,
            method.indices,
            method.space,
            method.coefficients,
        )
        assert (control.passes(PASSES), control.first_pass, control.first_slot) == (
            method.passes(PASSES),
            method.first_pass,
            method.first_slot,
        )
    doses = method.doses(directions, method.indices[0])
    assert method.control(0).doses(directions, method.indices[0]) == pytest.approx(doses, rel=1e-4), "as long"
    ours, theirs = (prepared.edits_of(0, [condition(engine, one)], directions, lambda: None)[0] for one in (method, method.control(0)))
    assert [(edit.point, edit.index, edit.layer) for edit in ours] == [(edit.point, edit.index, edit.layer) for edit in theirs]
    assert any(_differ(a, b) for a, b in zip(ours, theirs, strict=True))
    assert not doses or all(_cosine(a, b) < 0.999 for a, b in zip(ours, theirs, strict=True) if _differ(a, b))


def _differ(a: Edit, b: Edit) -> bool:
    pairs = [(a.delta, b.delta), *zip(a.along or (), b.along or (), strict=True)]
    return any(one.shape != other.shape or bool((one != other).any()) for one, other in pairs)


def _cosine(a: Edit, b: Edit) -> float:
    return float(torch.nn.functional.cosine_similarity(a.delta.flatten(), b.delta.flatten(), dim=0))


@pytest.mark.parametrize("text", MADE)
def test_doses_are_numbers_with_a_name_and_grow_with_the_coefficient(bench: tuple[PreparedSet, Directions], text: str) -> None:
    method = MADE[text]
    for index in method.indices:
        found = method.doses(bench[1], index)
        assert found.keys() <= DOSES.keys()
        assert all(math.isfinite(dose) and dose >= 0 for dose in found.values())
        doubled = method.with_coefficient(-2 * method.coefficient).doses(bench[1], index)
        assert doubled == pytest.approx({name: 2 * dose for name, dose in found.items()})


@pytest.mark.parametrize("spec", [*table.METHODS.values(), *SOURCES.values()], ids=lambda spec: spec.kind)
def test_every_field_says_what_it_is(spec: type) -> None:
    assert spec.label  # type: ignore[attr-defined]
    fields = fields_of(spec)
    assert [field.name for field in fields] == [field.name for field in dataclasses.fields(spec)]
    for field in fields:
        assert field.option.label and field.option.about.endswith("."), field.name
        assert field.default is not None or field.option.first or field.choices, f"{field.name}: a form has nothing to start with"
        assert field.option.names.keys() <= set(field.choices)
        assert field.option.when.keys() <= {other.name for other in fields}


@pytest.mark.parametrize("kind", SOURCES)
def test_sources_are_read_from_text_and_have_controls(kind: str) -> None:
    for flags in variations(SOURCES[kind]):
        source = source_of(" ".join([kind, *(f"{name}={value}" for name, value in flags.items())]))
        assert source.kind == kind
        for how in ("random", "shuffled"):
            assert source.control(0, how) not in (source, source.control(1, how))


@pytest.mark.parametrize("kind", table.METHODS)
def test_variants_are_methods_of_their_kind_along_their_pair(kind: str, engine: Engine) -> None:
    known, own = variants(), table.METHODS[kind].variants(engine.model.n_layers)
    for name, variant in own.items():
        assert known[name].title == variant.title and variant.title and variant.short
        method = variant.make(1, 3, 2, -0.5)
        assert (method.kind, method.indices, method.coefficient) == (kind, (2,), -0.5)
        assert methods_of(text_of([method])) == (method,)
        assert method != variant.make(3, 1, 2, -0.5)
        condition(engine, method).check(engine.model, (), QUESTIONS)
    assert len({variant.title for variant in known.values()}) == len({variant.short for variant in known.values()}) == len(known)
