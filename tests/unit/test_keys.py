"""Keys are identity: equal content gives equal keys in every process, and nothing without a content-based identity gets one."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

from codi_core.keys import ADDED_LATER, canonical, canonical_json, from_canonical, key_of
from codi_core.settings import ROOT
from codi_core.values.model import ModelSpec, RolloutConfig
from codi_core.values.questions import EvalSetSpec


@dataclass(frozen=True)
class Left:
    kind: ClassVar[str] = "left"
    value: Any = 1


@dataclass(frozen=True)
class Right:
    kind: ClassVar[str] = "right"
    value: Any = 1


@dataclass(frozen=True)
class Nameless:
    value: int = 1


@dataclass(frozen=True)
class Reordered:
    """The fields of Pair in another order."""

    kind: ClassVar[str] = "pair"
    b: int = 2
    a: int = 1


@dataclass(frozen=True)
class Pair:
    kind: ClassVar[str] = "pair"
    a: int = 1
    b: int = 2
    parts: tuple[Left, ...] = field(default=(), repr=False)


def test_canonical_json_of_a_spec_is_plain_sorted_json() -> None:
    text = canonical_json(RolloutConfig(passes=3, max_new_tokens=8))
    assert text == '{"kind":"rollout","max_new_tokens":8,"passes":3}'


def test_canonical_data_survives_json() -> None:
    spec = Pair(parts=(Left(0.1), Left(None), Left({"é": [True, -3]})))
    assert json.loads(canonical_json(spec)) == canonical(spec)
    assert key_of(json.loads(canonical_json(spec))) == key_of(spec)


def test_kind_tells_specs_with_equal_fields_apart() -> None:
    assert key_of(Left()) != key_of(Right())
    assert key_of(Pair(parts=(Left(1),))) != key_of(Pair(parts=(Left(2),)))


def test_order_of_fields_does_not_matter_but_order_of_items_does() -> None:
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert canonical(Reordered()) == {key: value for key, value in canonical(Pair()).items() if key != "parts"}
    assert key_of([1, 2]) != key_of([2, 1])


@pytest.mark.parametrize(("a", "b"), [(1, True), (1, "1"), (None, "None"), (0, None), ("", None)])
def test_values_of_different_type_never_collide(a: object, b: object) -> None:
    assert key_of(Left(a)) != key_of(Left(b))


def test_tuples_and_lists_are_one() -> None:
    assert key_of(Left((1, 2))) == key_of(Left([1, 2]))


def test_both_zeros_are_one_coefficient() -> None:
    assert key_of(Left(-0.0)) == key_of(Left(0.0))


@pytest.mark.parametrize("value", [np.zeros(2), np.float32(1), {1, 2}, b"bytes", object(), float("nan"), float("inf"), Left, Nameless()])
def test_values_without_a_content_identity_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        key_of(Left(value))


def test_key_is_stable_across_processes_and_hash_seeds() -> None:
    code = "from codi_core.keys import key_of; from codi_core.values.model import RolloutConfig; print(key_of(RolloutConfig()))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert seen == {key_of(RolloutConfig())}


def test_length_is_a_prefix() -> None:
    spec = EvalSetSpec(name="templates", n=10, seed=0, digest="00")
    assert len(spec.key) == 16
    assert key_of(spec, 64).startswith(spec.key)


def test_every_field_of_a_model_spec_is_part_of_its_identity() -> None:
    base = ModelSpec(name="m", checkpoint="aa", dtype="float32", prompt_format="answer-only", rope_rounding="bf16")
    others = [
        ModelSpec(name="n", checkpoint="aa", dtype="float32", prompt_format="answer-only", rope_rounding="bf16"),
        ModelSpec(name="m", checkpoint="ab", dtype="float32", prompt_format="answer-only", rope_rounding="bf16"),
        ModelSpec(name="m", checkpoint="aa", dtype="bfloat16", prompt_format="answer-only", rope_rounding="bf16"),
        ModelSpec(name="m", checkpoint="aa", dtype="float32", prompt_format="paper", rope_rounding="bf16"),
        ModelSpec(name="m", checkpoint="aa", dtype="float32", prompt_format="answer-only", rope_rounding="none"),
    ]
    assert len({spec.key for spec in [base, *others]}) == 6


@dataclass(frozen=True)
class Inner:
    kind: ClassVar[str] = "inner"
    size: float


@dataclass(frozen=True)
class Other:
    kind: ClassVar[str] = "other"
    name: str


@dataclass(frozen=True)
class Outer:
    kind: ClassVar[str] = "outer"
    parts: tuple[Inner | Other, ...]
    cell: tuple[str, int, float]
    pairs: tuple[tuple[int, int], ...] = ()
    inner: Inner | None = None


@pytest.mark.parametrize(
    "spec",
    [
        Outer((Inner(0.5), Other("x")), ("kv", 2, -1.0), ((1, 2), (3, 4)), Inner(2.0)),
        Outer((), ("", 0, 0.0)),
    ],
)
def test_a_stored_spec_comes_back_as_it_was(spec: Outer) -> None:
    stored = json.loads(canonical_json(spec))
    assert from_canonical(Outer, stored) == spec
    assert key_of(from_canonical(Outer, stored)) == key_of(spec)


def test_a_spec_of_another_version_is_refused() -> None:
    with pytest.raises(TypeError):
        from_canonical(Inner, {"kind": "inner", "size": 1.0, "colour": "red"})


def test_a_field_that_came_later_changes_no_key_until_it_is_used() -> None:
    @dataclass(frozen=True)
    class Grown:
        kind: ClassVar[str] = "left"
        value: Any = 1
        more: str = field(default="", metadata=ADDED_LATER)

    assert key_of(Grown()) == key_of(Left())
    assert key_of(Grown(more="x")) != key_of(Left())
    assert from_canonical(Grown, canonical(Grown())) == Grown()
    assert from_canonical(Grown, canonical(Grown(more="x"))) == Grown(more="x")
