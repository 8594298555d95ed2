"""The Python API: five lines in a notebook, the same numbers as the command line and the pages' services, errors as everywhere."""

from __future__ import annotations

import doctest
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

import codi_core as codi
from codi_core import cli
from codi_core.api import measured, model, results, stored
from codi_core.errors import InputError, InterventionError, LensError
from codi_core.settings import Settings

PROMPT = "Tom has 3 apples. He buys 4 more. He eats 2. How many apples does he have?"
PUSH = {"a": 2, "b": 4, "site": "kv", "index": 5, "coefficient": 0.5}


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def steps(cache_dir: Path) -> codi.Model:
    return codi.load("bundled-steps", settings=Settings(cache_dir=cache_dir, device="cpu", threads=1))


@pytest.mark.parametrize("module", [pytest.param(measured, marks=pytest.mark.slow), model, results, stored])
def test_everything_it_offers_has_an_example_that_runs(module: ModuleType, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODI_CACHE_DIR", str(cache_dir))
    shown = {found.name for found in doctest.DocTestFinder().find(module) if found.examples}
    offered = {
        f"{module.__name__}.{name}" for name in vars(codi.api) if getattr(vars(module).get(name), "__module__", "") == module.__name__
    }
    if module is model:
        offered |= {f"{module.__name__}.Model.{name}" for name in vars(codi.Model) if not name.startswith("_")}
    assert len(offered) >= 2 and offered - shown == set()
    assert doctest.testmod(module).failed == 0


def test_a_thought_is_shown_taken_on_and_drawn(steps: codi.Model) -> None:
    thought = steps.think(PROMPT)
    reading = thought.lens("tuned:all", track=("5",))
    assert thought.answer == thought.value.rollout.answer
    assert {"logit", "tuned:all"} <= set(steps.lenses)
    shown: list[Any] = [
        thought,
        reading,
        steps.steer(thought, **PUSH),
        steps.compare(n=8, **PUSH),
        steps.evaluate("templates", n=8),
        steps.influence(thought),
        steps.patch(PROMPT, PROMPT.replace("4", "5"), "kv3"),
    ]
    for value in shown:
        assert isinstance(value.to_pandas(), pd.DataFrame) and len(value.to_pandas())
        assert "<table" in value._repr_html_()
        if not isinstance(value, codi.Patched):
            figure = value.heatmap() if isinstance(value, codi.Thought) else value.figure()
            assert isinstance(figure, go.Figure) and figure.data


def test_patching_a_prompt_with_itself_changes_nothing(steps: codi.Model) -> None:
    assert steps.patch(PROMPT, PROMPT, "3.4").value.effect.identical


def test_what_was_typed_is_escaped(steps: codi.Model) -> None:
    assert "<script>" not in steps.think(f"<script>{PROMPT}")._repr_html_()


def test_several_prompts_report_how_far_they_are(steps: codi.Model) -> None:
    seen: list[tuple[int, int]] = []
    thoughts = steps.think([PROMPT, PROMPT], progress=lambda done, total: seen.append((done, total)))
    assert [thought.answer for thought in thoughts] == [steps.think(PROMPT).answer] * 2
    assert seen == [(1, 2), (2, 2)]


def test_coefficient_0_is_the_baseline(steps: codi.Model) -> None:
    assert steps.steer(PROMPT, **{**PUSH, "coefficient": 0.0}).value.identical


def test_the_command_line_says_the_same(
    steps: codi.Model, cache_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODI_DEVICE", "cpu")
    options = ["--model", "bundled-steps", "--n", "8", "--eval-set", "templates", "--cache-dir", str(cache_dir), "--json"]
    effect = steps.compare(n=8, **PUSH)
    assert cli.main(["eval", *options, "--condition", codi.api.model.condition_of(**PUSH)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], said["steered"]["value"]) == (effect.sentence, effect.value.steered.value)
    assert cli.main(["eval", *options]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == steps.evaluate("templates", n=8).share.value


def test_claims_need_no_model_to_be_opened() -> None:
    field = codi.claims("bundled-steps")
    assert {"reproduced", "reversed"} <= set(field.to_pandas()["verdict"]), "what ships is measured"
    assert isinstance(field.figure(), go.Figure) and "<table" in field._repr_html_()
    found = codi.claims("bundled-steps", setting="post")
    assert set(found.to_pandas()["verdict"]) <= {"reproduced", "not reproduced", "reversed", "not testable"}
    assert isinstance(found.figure(), go.Figure) and "<table" in found._repr_html_()


def test_a_stored_sweep_is_a_picture_and_a_table(steps: codi.Model) -> None:
    grid = codi.sweep(steps, "post-kv", n=150)  # as it ships: nothing is computed
    assert len(grid.to_pandas()) > 700 and "<table" in grid._repr_html_()
    assert isinstance(grid.figure(), go.Figure)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: m.steer(PROMPT), InputError, "Give the intervention once"),
        (lambda m: m.steer(PROMPT, "kv source=difference", **PUSH), InputError, "Give the intervention once"),
        (lambda m: m.steer(PROMPT, **{**PUSH, "index": 40}), InterventionError, "40"),
        (lambda m: m.think(PROMPT).lens("tuned:none"), LensError, "none"),
        (lambda m: m.think(PROMPT, passes=99), InputError, "99 passes"),
    ],
)
def test_errors_are_those_of_the_services(steps: codi.Model, call, error: type[Exception], words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=words):
        call(steps)


def test_no_such_name() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        codi.nonsense  # noqa: B018
