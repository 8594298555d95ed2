"""Specs as text and as forms, conditions and their keys, presets, controls."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest

from codi_core.errors import InterventionError
from codi_core.steering.conditions import Condition
from codi_core.steering.controls import controls
from codi_core.steering.flags import fields_of, flags_of, method_of, methods_of, text_of
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.methods import METHODS, Method, all_zero
from codi_core.steering.presets import PRESETS
from codi_core.steering.replacement import Replacement
from codi_core.steering.vectors import SOURCES, Component, Content, Difference, Random, Shuffled
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import EvalSetSpec
from codi_core.values.vectors import MeansSpec

EVAL_SET = EvalSetSpec("bundled", 10, 0, "digest")
MEANS = MeansSpec("model", EvalSetSpec("means", 10, 0, "other"))
SPECS: list[Method] = [
    Hidden(Difference(2, 4), 0.5, (3,)),
    Hidden(Content(3, 24.5, -1), -1e-3, (1, 2), "resid", 4, "stop"),
    Hidden(Component(2), 5.0, (0,), "h"),
    Hidden(Difference(1, 5, "A-B"), 2.0, (4,), vector_space="h", then="stop"),
    KV(Random(Difference(2, 4, "A-B"), 3, "covariance"), 1.0, (5,), layers=(1, 2), heads=(0,), key_weight=0.0, raw=True),
    KV(Shuffled(1, 2, 9), -100.0, (1,)),
    Replacement("donor", (0, 1), donor='it\'s 5 % + $x "quoted"\nand = signs', space="kv"),
    Replacement("content", (2,), 0.25, step=2, value=17.0),
]


def condition(*methods: Method) -> Condition:
    return Condition("model", EVAL_SET, RolloutConfig(), methods, MEANS)


@pytest.mark.parametrize("method", SPECS, ids=lambda method: text_of([method])[:40])
def test_text_gives_the_method_back(method: Method) -> None:
    assert method_of(method.kind, flags_of(method)) == method
    assert methods_of(text_of([method])) == (method,)


def test_several_interventions_in_one_line() -> None:
    assert methods_of(text_of(SPECS)) == tuple(SPECS)
    assert methods_of("") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kv", "--source is missing"),
        ("kv source=difference a=1 b=2", "--coefficient is missing"),
        ("kv source=nothing", "choose difference"),
        ("kv source=difference a=x b=2", "--a is 'x': give a whole number"),
        ("kv source=difference a=1 b=2 coefficient=1 indices=1;2", "whole numbers with commas"),
        ("kv source=difference a=1 b=2 coefficient=1 indices=1 raw=maybe", "True or False"),
        ("kv source=difference a=1 b=2 coefficient=1 indices=1 then=later", "choose continue, stop"),
        ("kv source=difference a=1 b=2 coefficient=1 indices=1 strength=3", "no option strength"),
        ("push source=difference", "Unknown method 'push'"),
        ("kv 5", "name=value"),
        ("kv 'unfinished", "check its quotes"),
    ],
)
def test_unreadable_text_names_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(InterventionError, match=words.replace("(", r"\(")):
        methods_of(text)


def test_forms_and_flags_are_the_fields() -> None:
    for spec in (*METHODS.values(), *SOURCES.values()):
        fields = fields_of(spec)
        assert [field.name for field in fields] == [field.name for field in dataclasses.fields(spec)]
        assert all(field.choices for field in fields if field.type in ("choice", "source"))
    by_name = {field.name: field for field in fields_of(KV)}
    assert by_name["key_weight"].flag == "--key-weight" and by_name["key_weight"].default == "1"
    assert by_name["coefficient"].default is None


def test_everything_that_changes_a_number_changes_the_key() -> None:
    base = condition(SPECS[0])
    others = [
        *(condition(method) for method in SPECS[1:]),
        condition(SPECS[0].with_coefficient(0.6)),
        condition(SPECS[0], SPECS[0]),
        condition(),
        replace(base, model="other"),
        replace(base, means=replace(MEANS, only="addition")),
        replace(base, overlap=True),
        replace(base, eval_set=replace(EVAL_SET, seed=1)),
        replace(base, rollout=RolloutConfig(5)),
    ]
    assert len({base.key, *(other.key for other in others)}) == len(others) + 1
    assert condition(Hidden(Difference(2, 4), 0.5, (3,))).key == base.key


def test_baselines_forget_the_intervention() -> None:
    stop, go_on = condition(KV(Difference(2, 4), 1.0, (3,), then="stop")), condition(KV(Difference(2, 4), 1.0, (3,)))
    assert (stop.passes, stop.first_pass, stop.baseline.passes, stop.standard.passes) == (3, 4, 3, 6)
    assert (go_on.passes, go_on.first_pass) == (6, 4) and go_on.baseline == go_on.standard
    assert stop.baseline.interventions == () and all_zero(stop.with_coefficient(0).interventions) and not all_zero(stop.interventions)
    both = condition(Hidden(Difference(2, 4), 1.0, (1,), then="stop"), KV(Difference(2, 4), 1.0, (3,), then="stop"))
    assert (both.passes, both.first_pass) == (3, 2)


def test_presets_say_what_the_posts_did() -> None:
    post, ours = (PRESETS[name].make(2, 4, 3, 0.5) for name in ("kv-as-in-the-post", "kv-corrected"))
    assert isinstance(post, KV) and isinstance(ours, KV)
    assert post.raw and post.then == "stop" and not ours.raw and ours.then == "continue"
    assert post.passes(6) == 3 and not post.layers and not post.heads
    assert PRESETS["kv-as-in-the-post"].overlap and PRESETS["kv-as-in-the-post"].means[2] == "addition"
    embedding = PRESETS["embedding-as-in-the-post"].make(2, 4, 3, 0.5)
    assert isinstance(embedding, Hidden)
    assert (embedding.space, embedding.where.space, embedding.passes(6)) == ("z", "h", 4)
    assert all(not preset.overlap for name, preset in PRESETS.items() if name.endswith("corrected"))
    for preset in PRESETS.values():
        assert methods_of(text_of([preset.make(1, 2, 3, -1.0)])) == (preset.make(1, 2, 3, -1.0),)


@pytest.mark.parametrize("method", SPECS, ids=lambda method: text_of([method])[:40])
def test_controls_differ_in_nothing_but_the_direction(method: Method) -> None:
    found = controls(condition(method), 24)
    assert len({one.key for one in (condition(method), *found)}) == 25
    for one in found:
        (control,) = one.interventions
        assert (type(control), control.indices, control.coefficients) == (type(method), method.indices, method.coefficients)
        assert (one.passes, one.first_pass) == (condition(method).passes, condition(method).first_pass)


def test_a_difference_is_compared_with_random_directions_and_shuffled_steps() -> None:
    sources = [one.interventions[0].source for one in controls(condition(SPECS[0]), 24)]  # type: ignore[attr-defined]
    assert sum(isinstance(source, Shuffled) for source in sources) == 8
    assert all(source.like == Difference(2, 4) for source in sources if isinstance(source, Random))


def test_controls_need_means() -> None:
    with pytest.raises(InterventionError, match="name the split"):
        controls(replace(condition(Replacement("zero", (1,))), means=None))
