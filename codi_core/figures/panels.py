"""A grid as it is shown, cell by cell: the same panel feeds the component on the page and the exported figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from codi_core.figures.paint import Paint, difference
from codi_core.figures.text import glyphs, percent, position, short, tracked_name
from codi_core.values.lens import LensGrid, TrackedToken


@dataclass(frozen=True)
class Cell:
    text: str
    """On the cell."""
    top: tuple[tuple[str, str], ...] = ()
    """Tokens and their probabilities, likeliest first, as text."""
    facts: tuple[str, ...] = ()
    mark: str = ""
    """A few letters in the corner."""


@dataclass(frozen=True)
class Panel:
    """Indices across and depths up, unless it names its columns and rows itself."""

    name: str
    painted: Paint
    cells: tuple[tuple[Cell, ...], ...]
    """``[index][depth]``"""
    columns: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    """Lowest first."""
    axis: str = ""
    """What the rows are."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of indices and of depths."""
        return len(self.cells), len(self.cells[0])

    def column(self, index: int) -> str:
        return self.columns[index] if self.columns else position(index)

    def row(self, depth: int) -> str:
        return self.rows[depth] if self.rows else str(depth)

    def title(self, index: int, depth: int) -> str:
        return f"{self.column(index)} · {self.row(depth) if self.rows else f'layer {depth}'}"


def token_panel(name: str, grid: LensGrid, painted: Paint, tracked: Sequence[TrackedToken], relations: Mapping[str, str]) -> Panel:
    """Top-1 tokens; ``relations`` says which numbers mean something (see lenses.relations)."""

    def cell(i: int, d: int) -> Cell:
        token = str(grid.top_tokens[i, d, 0])
        meaning = relations.get(token.strip(), "")
        ranks = [f"{tracked_name(t)}: rank {grid.rank_of(t)[i, d]:,}, {percent(float(grid.prob_of(t)[i, d]))}" for t in tracked]
        return Cell(
            text=short(token),
            top=tuple((glyphs(str(t)), percent(float(p))) for t, p in zip(grid.top_tokens[i, d], grid.top_probs[i, d], strict=True)),
            facts=(
                *([f"{token.strip()} is {_article(meaning)}{meaning}"] if meaning else []),
                f"entropy {grid.entropy[i, d]:.2f} · KL to output {grid.kl[i, d]:.2f} nats",
                *ranks,
            ),
            mark=mark(meaning),
        )

    return Panel(name, painted, _cells(grid, cell))


def difference_panel(a: LensGrid, b: LensGrid, painted_a: Paint, painted_b: Paint) -> Panel:
    """What lens ``a`` reads and lens ``b`` does not: its top-1 token where they disagree."""
    changed = a.top_ids[..., 0] != b.top_ids[..., 0]

    def cell(i: int, d: int) -> Cell:
        tokens = [glyphs(str(grid.top_tokens[i, d, 0])) for grid in (a, b)]
        facts = (f"{_kind(a)}: {tokens[0]} · {painted_a.said(i, d)}", f"{_kind(b)}: {tokens[1]} · {painted_b.said(i, d)}")
        return Cell(text=short(str(a.top_tokens[i, d, 0])) if changed[i, d] else "·", facts=facts)

    return Panel("Difference", difference(painted_a, painted_b, f"Δ {painted_a.title}"), _cells(a, cell))


def _cells(grid: LensGrid, cell: Callable[[int, int], Cell]) -> tuple[tuple[Cell, ...], ...]:
    indices, depths = grid.entropy.shape
    return tuple(tuple(cell(i, d) for d in range(depths)) for i in range(indices))


def mark(meaning: str) -> str:
    """A relation in a few letters: ``step 1`` → ``s1``, ``2 × answer`` → ``2×ans``."""
    short_words = {"answer": "ans", "step ": "s", "operand": "op", "typed": "typed", " × ": "×", " + ": "+", " − ": "−"}
    for long, brief in short_words.items():
        meaning = meaning.replace(long, brief)
    return meaning


def marks_legend(panels: Sequence[Panel], relations: Mapping[str, str]) -> str:
    """What the corner marks on these panels mean; empty when there are none."""
    shown = {cell.mark for panel in panels for row in panel.cells for cell in row if cell.mark}
    meanings = dict.fromkeys(meaning for meaning in relations.values() if mark(meaning) in shown)
    return " · ".join(f"{mark(meaning)} = {meaning}" for meaning in meanings)


def _article(meaning: str) -> str:
    return {"answer": "the ", "operand": "an "}.get(meaning, "")


def _kind(grid: LensGrid) -> str:
    return grid.lens.partition(":")[0]
