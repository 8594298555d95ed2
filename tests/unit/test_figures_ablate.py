"""Figures of ablations and of geometry: what is drawn says what the numbers say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from codi_core.figures import geometry as geometry_figures
from codi_core.figures.ablate import ablation_lines, ablation_panel, ablation_table, pass_curve, pass_table, standing_out
from codi_core.figures.importance import answers_of, draws_table, importance_bars, importance_table
from codi_core.values.evals import SteeringEffect
from codi_core.values.latents import AblationMap, AblationSite, LatentGeometry, LatentImportance, PassCurve, PassPoint, PromptImportance
from codi_core.values.outcomes import OnlyForm, Outcomes
from codi_core.values.questions import EvalSetSpec, Question
from codi_core.values.stats import Estimate, Estimates, PairedComparison, Share
from codi_core.values.vectors import MeansSpec
from codi_core.values.verdict import Band, Verdict

SET = EvalSetSpec("bundled", 40, 0, "d")
NULL = PairedComparison(40, 35.0, 0.5, 0.5, 0.0, -0.05, 0.05, 3, 3, 1.0, 1.0)


def effect(delta: float, p: float) -> SteeringEffect:
    paired = replace(NULL, delta=delta, low=delta - 0.05, high=delta + 0.05, p_clustered=p)
    return SteeringEffect(
        key="k",
        baseline_key="b",
        done=40,
        total=40,
        baseline=Share(0.5, 0.4, 0.6, 40, 35.0),
        steered=Share(0.5 + delta, 0.4, 0.6, 40, 35.0),
        paired=paired,
        margin=Estimate(3 * delta, 3 * delta - 0.1, 3 * delta + 0.1),
        p_gold=Estimate(delta, delta - 0.02, delta + 0.02),
        changed=10,
        transitions={},
        baseline_outcomes=Outcomes(20, 20),
        steered_outcomes=Outcomes(18, 20, 2),
        only_form=OnlyForm(1, 2),
        fixed=(1,),
        broken=(2, 3),
        identical=False,
        controls=None,
        verdict=Verdict("falls", delta, delta - 0.05, delta + 0.05, 40, p, Band()),
    )


@pytest.fixture
def curve() -> PassCurve:
    points = [
        PassPoint(
            group,
            passes,
            Share(passes / 4, 0.0, 1.0, 40, 30.0),
            Estimate(0.1 * passes, 0.0, 0.5),
            NULL,
            Outcomes(10 * passes, 40 - 10 * passes),
            Share(1 - passes / 2, 0.0, 1.0, 40, 30.0),
            f"k{passes}",
        )
        for passes in range(3)
        for group in ("all", "chain", "2 steps")
    ]
    return PassCurve(SET, 2, 3.0, tuple(points))


@pytest.fixture
def ablation() -> AblationMap:
    sites = [AblationSite(by, space, index) for by in ("zero", "mean") for space in ("z", "kv") for index in range(3)]
    refused = {site: "z at index 2 is computed but never consumed: …" for site in sites if (site.space, site.index) == ("z", 2)}
    asked = tuple(site for site in sites if site not in refused)
    effects = {site: effect(-0.1 * site.index, 0.001 if site.index == 1 else 0.9) for site in asked[:-1]}
    return AblationMap(SET, 2, asked, refused, len(effects), effects)


@pytest.fixture
def prompt() -> PromptImportance:
    latents = tuple(
        LatentImportance(
            space, index, np.linspace(-2, 0, 20, dtype=np.float32), ("24",) * 15 + ("<b>16",) * 5, Estimate(-1.0, -1.3, -0.7),
            Share(0.25, 0.1, 0.45, 20, 20.0), -0.5, "24",
        )
        for space, last in (("z", 2), ("kv", 3))
        for index in range(last)
    )  # fmt: skip
    means = MeansSpec("model", SET)
    return PromptImportance("key", " 24", 0.9, 24.0, (), means, 2, 20, 5, latents)


def test_a_line_a_group_with_n_in_its_name(curve: PassCurve) -> None:
    figure = pass_curve(curve, ["all", "2 steps"])
    assert [trace.name for trace in figure.data] == ["all questions (n = 40)"] * 2 + ["2 steps (n = 40)"] * 2
    assert list(figure.data[0].y) == [0, 0.25, 0.5]
    table = pass_table(curve)
    assert len(table) == 9 and {"n", "low", "high", "difference to all passes", "key"} <= set(table.columns)


def test_cells_say_what_is_refused_missing_or_stands_out(ablation: AblationMap) -> None:
    panel = ablation_panel(ablation, "Accuracy")
    assert panel.rows == ("mean latent · KV slot", "mean latent · z", "zeros · KV slot", "zeros · z"), "lowest first"
    cells = {(panel.rows[row], index): panel.cells[index][row] for row in range(4) for index in range(3)}
    assert cells["zeros · z", 2].text == "–" and "never consumed" in cells["zeros · z", 2].facts[0]
    assert cells["mean latent · KV slot", 2].text == "" and cells["mean latent · KV slot", 2].facts == ("not computed yet",)
    assert cells["zeros · z", 1].text == "−10" and cells["zeros · z", 1].mark == "∗"
    assert not cells["zeros · z", 0].mark
    assert standing_out(ablation) == {site for site in ablation.effects if site.index == 1}


@pytest.mark.parametrize("measure", ["Accuracy", "Gold margin", "P(gold)", "Answers changed"])
def test_every_measure_is_painted_and_drawn(ablation: AblationMap, measure: str) -> None:
    panel = ablation_panel(ablation, measure)  # type: ignore[arg-type]
    known = panel.painted.level[~np.isnan(panel.painted.level)]
    assert ((known >= 0) & (known <= 1)).all() and len(panel.painted.fill) == 3
    figure = ablation_lines(ablation, "z", measure)  # type: ignore[arg-type]
    assert [trace.name for trace in figure.data] == ["zeros", "mean latent"]
    assert len(ablation_table(ablation)) == len(ablation.effects)


def test_one_prompts_latents_as_bars(prompt: PromptImportance) -> None:
    figure = importance_bars(prompt, "z")
    bars, draws, reference, shares = figure.data
    assert list(bars.y) == [-1.0, -1.0] and len(draws.y) == 40 and list(reference.y) == [-0.5, -0.5] and list(shares.y) == [0.25, 0.25]
    assert answers_of(prompt.latents[0]) == "24 × 15, <b>16 × 5"
    assert "<b>" not in "".join(draws.customdata), "answers are text, not markup"
    assert len(importance_table(prompt)) == 5 and len(draws_table(prompt)) == 100


# Geometry


@pytest.fixture
def latents() -> LatentGeometry:
    rng, count = np.random.default_rng(0), 4
    questions = tuple(Question(f"q{n}", f"How many is {n} plus 1? <i>", n + 2.0, "t", (n,), (n + 1.0, n + 2.0)) for n in range(30))
    scores = rng.standard_normal((30, 3, count)).astype(np.float32)
    some = Estimates(np.full(count, 0.2, np.float32), np.full(count, 0.1, np.float32), np.full(count, 0.3, np.float32), 30)
    middle = scores.mean(0)
    cosines = np.stack([np.eye(3, dtype=np.float32)] * 3)
    return LatentGeometry(
        means=MeansSpec("model", SET),
        space="z",
        layer=None,
        centre="all",
        questions=questions,
        dimensions=9,
        scores=scores,
        centroids=Estimates(middle, middle - 0.1, middle + 0.1, 30),
        explained=some,
        spread=np.ones(len(questions), np.float32),
        by_index=some,
        null=np.full((20, count), 0.15, np.float32),
        retained=2,
        split_half=np.full(count, 0.9, np.float32),
        tokens={"eot": np.full(count, 0.4, np.float32)},
        mean_cosines=cosines,
        difference_cosines=cosines,
        pairs=((0, 1), (0, 2), (1, 2)),
        lengths=np.ones(3, np.float32),
    )


@pytest.mark.parametrize("by", ["Index", "Odd / even", "Step value", "Answered right"])
def test_every_colouring_draws_every_latent_once(latents: LatentGeometry, by: str) -> None:
    right = np.arange(30) % 2 == 0
    figure = geometry_figures.scatter(latents, (0, 1), by, [0, 1, 2], -1, right)  # type: ignore[arg-type]
    *clouds, centroids = figure.data
    assert sum(len(cloud.x) for cloud in clouds) == 90
    assert list(centroids.text) == ["1", "2"], "bot is no pass"
    assert "<i>" not in "".join(text for cloud in clouds for text in cloud.customdata)


def test_steps_before_the_answer_have_values(latents: LatentGeometry) -> None:
    assert geometry_figures.step_values(latents, 1)[0] == 1 and geometry_figures.step_values(latents, -1)[0] == 2
    assert np.isnan(geometry_figures.step_values(latents, 2)).all(), "the last step is the answer"


def test_no_more_points_than_a_browser_likes(latents: LatentGeometry) -> None:
    many = replace(latents, questions=latents.questions * 100)
    assert len(geometry_figures.shown_questions(many, 6)) == 250
    assert len(geometry_figures.shown_questions(latents, 6)) == 30


def test_the_scree_shows_its_null_and_what_is_beyond_it(latents: LatentGeometry) -> None:
    bars, null = geometry_figures.scree(latents, (0, 1)).data
    assert list(bars.marker.opacity) == [1.0, 1.0, 0.4, 0.4] and "20 times" in null.name
    table = geometry_figures.component_table(latents)
    assert list(table["beyond the null"]) == [True, True, False, False] and "cosine with eot" in table
    assert len(geometry_figures.score_table(latents)) == 90


@pytest.mark.parametrize("which", ["means", "differences"])
def test_cosines_have_their_halves_beside_them(latents: LatentGeometry, which: str) -> None:
    panel = geometry_figures.cosine_panel(latents, which)  # type: ignore[arg-type]
    assert panel.cells[0][2].text == "+1.00" and panel.rows[2] == panel.columns[0]
    assert "halves" in panel.cells[0][0].facts[0]
    assert len(geometry_figures.cosine_table(latents)) == 18
