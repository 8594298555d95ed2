"""What the Python API gives back of a prompt: frozen values that notebooks can show, pandas can take and plotly can draw."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import asdict, dataclass

import pandas as pd
import plotly.graph_objects as go

from codi_core.figures.influence import attention_panel, edges_table, summary_table
from codi_core.figures.lens import heatmap, lens_table
from codi_core.figures.paint import COLOUR_BY, ColourBy, paint
from codi_core.figures.panels import token_panel
from codi_core.figures.patching import pair_table
from codi_core.figures.steer import change_panel
from codi_core.services.inspect import Inspection
from codi_core.services.steer import SteeredAnswer, Steering
from codi_core.values.influence import Influence
from codi_core.values.patching import PatchedPair


class Shown:
    """A sentence, and a table below it in notebooks; what models and people wrote is escaped."""

    def _said(self) -> str:
        raise NotImplementedError

    def _below(self) -> pd.DataFrame:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self._said()}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._said())}</p>{self._below().to_html(index=False, escape=True)}"


@dataclass(frozen=True, eq=False, repr=False)
class LensReading(Shown):
    """What one lens reads at every index and depth of a thought.

    Examples:
        >>> import codi_core as codi
        >>> read = codi.load("bundled-steps").think("How much is 3 plus 4?").lens("tuned:all").to_pandas()
        >>> float(read.loc[read["depth"] == read["depth"].max(), "kl_to_output_nats"].max())  # the last depth is the output
        0.0
    """

    value: Inspection
    name: str
    """Of the lens, in full: ``kind`` or ``kind:variant``."""

    def to_pandas(self) -> pd.DataFrame:
        """One row per index, depth and rank: token, probability, entropy and KL in nats, and the tracked tokens."""
        return lens_table(self.value.grids[self.name], self.value.tracked)

    def figure(self, by: ColourBy = COLOUR_BY[0]) -> go.Figure:
        """Depth × index, the likeliest token in each cell."""
        grid, found = self.value.grids[self.name], self.value
        target = found.tracked[0] if found.tracked else None
        panel = token_panel(self.name, grid, paint(grid, by, target), found.tracked, found.relations)
        said = f"{found.model.name} ({found.model.key}), {found.request.passes} passes, lens {self.name}"
        return heatmap([panel], False, found.rollout.question, said)

    def _said(self) -> str:
        return f"{self.name}: likeliest token at every depth (rows) and index (columns)"

    def _below(self) -> pd.DataFrame:
        top = self.to_pandas()
        return top[top["rank"] == 1].pivot(index="depth", columns="index", values="token").iloc[::-1].reset_index()


@dataclass(frozen=True, eq=False, repr=False)
class Thought(Shown):
    """A prompt thought through: the answer, and a door to what lenses read on the way.

    Examples:
        >>> import codi_core as codi
        >>> thought = codi.load("bundled-steps").think("How much is 3 plus 4?")
        >>> thought.answer.startswith(thought.to_pandas()["token"][0])  # the likeliest first token of the answer
        True
    """

    value: Inspection
    _read: Callable[[str, tuple[str, ...]], Inspection]

    @property
    def question(self) -> str:
        """As the model was asked it."""
        return self.value.rollout.question

    @property
    def answer(self) -> str:
        return self.value.rollout.answer

    def lens(self, name: str = "logit", track: tuple[str, ...] = ()) -> LensReading:
        """``name``: ``logit``, ``tuned:all``, … (`Model.lenses`). ``track``: texts to follow. Raises LensError for an unknown lens."""
        return LensReading(self._read(name, track), name)

    def heatmap(self, lens: str = "logit", by: ColourBy = COLOUR_BY[0]) -> go.Figure:
        """Depth × index through a lens."""
        return self.lens(lens).figure(by)

    def to_pandas(self) -> pd.DataFrame:
        """The answer's likeliest first tokens."""
        return pd.DataFrame([asdict(top) for top in self.value.rollout.top_answers])

    def _said(self) -> str:
        return f"{self.question} → {self.answer}"

    def _below(self) -> pd.DataFrame:
        return self.to_pandas().head(5)


@dataclass(frozen=True, eq=False, repr=False)
class Steered(Shown):
    """One prompt unsteered, steered, and pushed as hard in a random direction.

    Examples:
        >>> import codi_core as codi
        >>> pushed = codi.load("bundled-steps").steer("How much is 3 plus 4?", "kv source=difference a=2 b=4 coefficient=0 indices=5")
        >>> pushed.answer == pushed.panes["baseline"].answer
        True
    """

    value: Steering

    @property
    def answer(self) -> str:
        return self.value.steered.answer

    @property
    def panes(self) -> dict[str, SteeredAnswer]:
        """``baseline``, ``steered`` and, where the intervention has one, ``control``."""
        found = {"baseline": self.value.baseline, "steered": self.value.steered, "control": self.value.control}
        return {name: pane for name, pane in found.items() if pane}

    def to_pandas(self) -> pd.DataFrame:
        names = ("answer", "number", "outcome", "p_gold", "margin")
        return pd.DataFrame([{"condition": name, **{f: getattr(pane, f) for f in names}} for name, pane in self.panes.items()])

    def figure(self) -> go.Figure:
        """KL(unsteered ‖ steered) of what the first lens reads, depth × index, in nats."""
        name = self.value.request.lenses[0]
        before, after = self.value.baseline, self.value.steered
        panel = change_panel(f"Change, {name}", before.grids[name], after.grids[name], after.change[name])
        return heatmap([panel], False, self.value.request.prompt, self.value.command)

    def _said(self) -> str:
        return f"{self.value.baseline.answer} → {self.answer}"

    def _below(self) -> pd.DataFrame:
        return self.to_pandas()


@dataclass(frozen=True, eq=False, repr=False)
class Patched(Shown):
    """A place of one prompt put in another, beside a random vector as long.

    Examples:
        >>> import codi_core as codi
        >>> codi.load("bundled-steps").patch("How much is 3 plus 4?", "How much is 3 plus 5?", "kv3").to_pandas()["put in place"].tolist()
        ['patched', 'random vector']
    """

    value: PatchedPair

    @property
    def recovery(self) -> float | None:
        """0 = as the target, 1 = as the source; None where the two answers are too alike to tell."""
        return self.value.effect.recovery

    def to_pandas(self) -> pd.DataFrame:
        return pair_table(self.value)

    def _said(self) -> str:
        return f"{self.value.target.answer} → {self.value.effect.answer} (the source: {self.value.source.answer})"

    def _below(self) -> pd.DataFrame:
        return self.to_pandas()


@dataclass(frozen=True, eq=False, repr=False)
class Influences(Shown):
    """Who reads whom in one prompt.

    Examples:
        >>> import codi_core as codi
        >>> list(codi.load("bundled-steps").influence("How much is 3 plus 4?").to_pandas())
        ['edge', 'from', 'to', 'value']
    """

    value: Influence

    def to_pandas(self) -> pd.DataFrame:
        """One row an edge between latents, or to the answer."""
        return edges_table(self.value)

    def figure(self) -> go.Figure:
        """Attention of passes and answer, mean over layers and heads."""
        said = f"{self.value.passes} passes, {self.value.key}"
        return heatmap([attention_panel(self.value, None, None)], False, self.value.prompt, said)

    def _said(self) -> str:
        return f"{self.value.prompt} → {self.value.answer}"

    def _below(self) -> pd.DataFrame:
        return summary_table(self.value)
