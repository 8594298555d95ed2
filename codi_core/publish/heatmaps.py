"""Stored sweeps as grids, with every cell's numbers and questions a click away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codi_core.figures.grids import sweep_grid
from codi_core.figures.provenance import of_sweep
from codi_core.figures.sweeps import SweepPanel, ViewOptions, by_site, tops
from codi_core.figures.text import number
from codi_core.publish.html import Page, file_name, link, paragraph, table
from codi_core.services.effects import Flip
from codi_core.services.sweeps.stored import changed_questions
from codi_core.store import Store
from codi_core.values.sweep import Grid, Row, SweepTable, pair_name, share_of, signed
from codi_core.values.verdict import points

FIRST = 0.5
"""Coefficient that is shown first: the posts' figures have it."""


def name_of(sweep: SweepTable) -> str:
    return file_name("heatmap", sweep.model_name, sweep.name, sweep.eval_set.name)


def sweeps_page(sweeps: Sequence[SweepTable], left_out: Sequence[SweepTable]) -> Page:
    rows = []
    for sweep in sweeps:
        base = share_of(_standard(sweep))
        cells = sweep.cells[sweep.cells["role"] == "cell"]
        clear = int((cells["p_max"] < 0.05).sum())
        rows.append(
            [
                link(name_of(sweep), f"{sweep.model_name}: {sweep.title}"),
                f"{len(cells):,}",
                f"{base.n:,} (effective {base.effective_n:,.0f})",
                f"{base.value:.1%}<small>{base.low:.1%} to {base.high:.1%}</small>",
                f"{clear:,}",
            ]
        )
    head = ("Sweep", "Cells", "Questions", "Accuracy unsteered (95 % interval)", "Cells clear after the max-statistic")
    body = [table(head, rows, "Sweeps in this folder")]
    if left_out:
        names = ", ".join(f"{sweep.model_name}, {sweep.title}" for sweep in left_out)
        body.append(paragraph(f"Left out, as the folder would become too large: {names}.", "note"))
    question = "Which pair, index and coefficient did what?"
    return Page("heatmaps.html", "Heatmaps", question, "\n".join(body), [of_sweep(sweep) for sweep in sweeps])


def sweep_page(store: Store, sweep: SweepTable) -> Page:
    """Raises ArtifactError, and DataError when its questions are not to be had."""
    base, options = share_of(_standard(sweep)), ViewOptions()
    grids = {name: Grid(sweep, name) for name in dict.fromkeys(sweep.cells.loc[sweep.cells["role"] == "cell", "variant"])}
    views = [view for name, grid in grids.items() for view in _views(grid, options, name if len(grids) > 1 else "")]
    places = sweep.cells.loc[sweep.cells["role"] == "cell", "place"].tolist()
    body = [
        paragraph(
            f"A cell: coefficient × (mean of latent B − mean of latent A) added at one index. Its number: accuracy minus that of the "
            f"unsteered model with as many passes, in points, over {base.n:,} questions (effective {base.effective_n:,.0f}); unsteered "
            f"{base.value:.1%} ({base.low:.1%} to {base.high:.1%})."
        ),
        '<div class="views"><label for="view">Variant and coefficient</label><select id="view"></select></div>',
        '<div class="live"><div id="grids"></div><div id="details" aria-live="polite"></div></div>',
        "<noscript><p>The grids need JavaScript.</p></noscript>",
        paragraph(_widest(sweep), "note"),
        *(paragraph(f"Left out: {reason}", "note") for reason in sweep.refused),
        *(
            [paragraph("As in the posts, the means come from evaluated questions: effects are optimistic.", "note")]
            if sweep.overlap
            else []
        ),
        f"<p>{link('heatmaps.html', 'All sweeps')}</p>",
    ]
    title = f"{sweep.model_name}: {sweep.title}"
    data = {"views": views, **_questions(changed_questions(store, sweep, places))}
    return Page(name_of(sweep), title, "Which pair, index and coefficient did what?", "\n".join(body), [of_sweep(sweep)], data)


def _widest(sweep: SweepTable) -> str:
    cells = sweep.cells[sweep.cells["role"] == "cell"]
    half = 50 * float((cells["delta_high"] - cells["delta_low"]).max())
    clear = int((cells["p_max"] < 0.05).sum())
    return (
        f"Every cell has its 95 % interval: hover or click. The widest is ±{half:.1f} points; {clear:,} of {len(cells):,} cells differ "
        "from the baseline at 5 % after correction for all cells of their variant (max-statistic)."
    )


def _standard(sweep: SweepTable) -> Row:
    cells = sweep.cells
    row = cells[(cells["role"] == "baseline") & (cells["passes"] == sweep.rollout.passes)].iloc[0]
    return {str(name): value for name, value in row.items()}


def _views(grid: Grid, options: ViewOptions, variant: str) -> list[dict[str, Any]]:
    return [_view(grid, coefficient, options, variant) for coefficient in grid.coefficients]


def _view(grid: Grid, coefficient: float, options: ViewOptions, variant: str) -> dict[str, Any]:
    """On the scale of what it shows, as on the page."""
    shown = [row for row in grid.rows.values() if row["coefficient"] == coefficient]
    panel = by_site(grid, coefficient, options, tops(shown, options))
    data = sweep_grid(panel, _largest(panel), "")
    for line, found in zip(data["cells"], panel.found, strict=True):
        for cell, row in zip(line, found, strict=True):
            if row is not None:
                cell["id"] = int(row["place"])
                cell["facts"] = [*cell["facts"], _said(row)]
    name = f"{variant}, {panel.name}" if variant else panel.name
    return {"name": name, "grids": [{**data, "name": name}], "first": coefficient == FIRST}


def _largest(panel: SweepPanel) -> tuple[int, int] | None:
    """Where the change is largest: it is opened first."""
    places = [(abs(float(row["delta"])), c, r) for r, line in enumerate(panel.found) for c, row in enumerate(line) if row is not None]
    return max(places)[1:] if places else None


def _said(row: Row) -> str:
    a, b, index, c = int(row["a"]), int(row["b"]), int(row["index"]), float(row["coefficient"])
    return f"{pair_name(a, b)} at index {index}, {signed(c)}: {points(float(row['delta']))} points; {row['intervention']}"


def _questions(changed: Mapping[int, tuple[tuple[Flip, ...], tuple[Flip, ...]]]) -> dict[str, Any]:
    """What cells changed: questions once, and by place their numbers with both answers."""
    numbers: dict[str, int] = {}
    questions: list[tuple[str, str]] = []

    def listed(flips: Sequence[Flip]) -> list[tuple[int, str, str]]:
        rows = []
        for flip in flips:
            if flip.question.id not in numbers:
                numbers[flip.question.id] = len(questions)
                questions.append((flip.question.question, number(flip.question.gold)))
            rows.append((numbers[flip.question.id], flip.baseline.strip(), flip.steered.strip()))
        return rows

    details = {str(place): {"fixed": listed(fixed), "broken": listed(broken)} for place, (fixed, broken) in changed.items()}
    return {"details": details, "questions": questions}
