"""A dozen prompts read through lenses, and how often that is no accident."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from codi_core.figures.detect import detection_panels
from codi_core.figures.grids import panel_grid
from codi_core.figures.paint import paint
from codi_core.figures.panels import marks_legend, token_panel
from codi_core.figures.text import number
from codi_core.problems.generate import Family, generate, seed_prompt, team_prompt
from codi_core.publish.html import Page, link, paragraph, table
from codi_core.services.detect import DetectRequest, detection_map, stored_detection
from codi_core.services.inspect import Inspection, InspectRequest, inspect
from codi_core.services.lenses import lens_menu
from codi_core.services.shared.workbench import Workbench
from codi_core.values.lens import LensOption, LensReadings

VIEWER = "publish"
WANTED = ("logit", "tuned:all")
"""Lenses side by side, where the model has them."""
FAMILIES: tuple[Family, ...] = ("group", "percent", "chain", "rate")
DETECTION_N, DETECTION_K = 512, 10
"""As the Detect page shows first; it is stored for the models that ship."""


@cache
def prompts() -> tuple[tuple[str, str], ...]:
    """A dozen, with what is to be said about each."""
    posts = [(problem.question, "from the posts; its numbers were held out of training") for problem in (team_prompt(), seed_prompt())]
    unseen = [(p.question, "numbers never seen in training") for family in FAMILIES for p in generate("test", 2, 5, (family,))]
    reworded = [(generate("wordings", 1, 3, ("chain",))[0].question, "numbers and phrases never seen in training")]
    return (*posts, *unseen, *reworded, ("What is the capital of France?", "nothing like it was in the bundled models' training"))


def page_name(place: int) -> str:
    return f"prompt-{place + 1:02}.html"


def inspections(workbench: Workbench, model: str, passes: int) -> tuple[list[Inspection], list[LensOption]]:
    """Every prompt read through the lenses that are wanted and there. Raises ModelError."""
    menu = {option.name: option for option in lens_menu(workbench, model, VIEWER)}
    lenses = tuple(name for name in WANTED if name in menu)
    asked = [InspectRequest(model, prompt, passes, lenses=lenses, own=True) for prompt, _ in prompts()]
    return [inspect(workbench, request, VIEWER) for request in asked], [menu[name] for name in lenses]


def prompts_page(found: Sequence[Inspection], accuracies: str, conditions: Sequence[str]) -> Page:
    """``accuracies``: HTML, how often the model is right beyond these; ``conditions``: of these."""
    rows = [
        [
            link(page_name(place), _short(inspection.rollout.question)),
            inspection.rollout.answer.strip() or "–",
            number(inspection.problem.gold) if inspection.problem else "–",
            inspection.outcome or "–",
        ]
        for place, inspection in enumerate(found)
    ]
    intro = paragraph("Each is one prompt (n = 1): it shows, and proves nothing. How often the same holds is on the page Detection.")
    body = f"{intro}\n{table(('Prompt', 'Answer', 'Right', 'Outcome'), rows, 'A dozen prompts')}\n{accuracies}"
    return Page("prompts.html", "Prompts", "What does the model answer, and what do its latents hold on the way there?", body, conditions)


def prompt_page(place: int, found: Inspection, lenses: Sequence[LensOption]) -> Page:
    about, gold = prompts()[place][1], found.problem.gold if found.problem else None
    panels = {
        lens.name: token_panel(
            lens.title, found.grids[lens.name], paint(found.grids[lens.name], "Top-1 probability"), found.tracked, found.relations
        )
        for lens in lenses
    }
    last = next(reversed(panels))
    grids = [
        {**panel_grid(panel, f"{panel.name} lens: top-1 token", (3, 5), group="lens", legend=name == last), "name": f"{panel.name} lens"}
        for name, panel in panels.items()
    ]
    marks = marks_legend(list(panels.values()), found.relations)
    body = [
        paragraph(found.rollout.question, "prompt"),
        paragraph(
            f"Answer: {found.rollout.answer.strip() or '–'}"
            + (f" · right: {number(gold)} · {found.outcome}" if gold is not None else "")
            + f" · {about}"
        ),
        '<div class="live"><div id="grids"></div><div id="details" aria-live="polite"></div></div>',
        "<noscript><p>The grids need JavaScript.</p></noscript>",
        paragraph(
            "Columns: the end of the prompt and the latent passes; rows: layers. A cell: the token that the lens reads there; a click "
            "shows the ten likeliest." + (f" Marks: {marks}." if marks else ""),
            "note",
        ),
        paragraph("One prompt, so n = 1 and no interval: over 512 prompts, with intervals and chance, see Detection.", "note"),
        f"<p>{_neighbours(place)}</p>",
    ]
    title = _short(found.rollout.question)
    question = "What does the model answer, and what do its latents hold on the way there?"
    return Page(page_name(place), title, question, "\n".join(body), [found.condition], {"views": [{"name": "", "grids": grids}]})


def _neighbours(place: int) -> str:
    ways = [link("prompts.html", "All prompts")]
    if place + 1 < len(prompts()):
        ways.append(link(page_name(place + 1), "Next prompt"))
    return " · ".join(ways)


def _short(question: str) -> str:
    return question if len(question) <= 72 else f"{question[:70].rsplit(' ', 1)[0]} …"


def detection_page(workbench: Workbench, models: Sequence[str], passes: int) -> Page:
    """From what is stored. A model of which nothing is stored is named."""
    views: list[dict[str, Any]] = []
    conditions, missing = [], []
    for model in models:
        readings = stored_detection(workbench, DetectRequest(model, n=DETECTION_N, passes=passes), VIEWER)
        if readings is None:
            missing.append(model)
            continue
        conditions.append(_condition(readings))
        for target in readings.targets:
            found = detection_map(readings, target)
            named = f"{model}, {target}"
            grids = [
                {
                    **panel_grid(panel, f"{panel.name}: {panel.painted.title}", (3, 5), group="detect"),
                    "name": f"{panel.name}, n = {found.found.n:,}",
                }
                for panel in detection_panels(found, DETECTION_K)
            ]
            views.append({"name": named, "grids": grids, "first": target == "step 2" and not any(view["first"] for view in views)})
    body = [
        paragraph(
            f"How often the value of a step is among the {DETECTION_K} likeliest tokens at an index and a layer, beside how often a "
            "value of another question is: that is chance. Each cell has its 95 % interval: hover or click."
        ),
        '<div class="views"><label for="view">Model and value</label><select id="view"></select></div>',
        '<div class="live"><div id="grids"></div><div id="details" aria-live="polite"></div></div>',
        *([paragraph(f"Nothing is stored of {', '.join(missing)}: open the page Detect and press Run.", "note")] if missing else []),
    ]
    question = "Over many prompts: how often do the latents hold the answer or a step?"
    return Page("detection.html", "Detection", question, "\n".join(body), conditions, {"views": views} if views else {})


def _condition(readings: LensReadings) -> str:
    spec, right = readings.spec, float(readings.correct.mean())
    return (
        f"{spec.model.name} · weights {spec.model.checkpoint[:8]} · {spec.rollout.passes} passes · '{spec.eval_set.name}', "
        f"{len(readings.questions):,} questions, seed {spec.eval_set.seed} · {right:.0%} answered right · {spec.lens} lens · key {spec.key}"
    )
