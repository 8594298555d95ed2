"""What the Python API gives back: frozen values that notebooks can show, pandas can take and plotly can draw."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from codi_core.figures.claims import Mark, forest
from codi_core.figures.influence import attention_panel, edges_table, summary_table
from codi_core.figures.lens import heatmap, lens_table
from codi_core.figures.paint import COLOUR_BY, ColourBy, paint
from codi_core.figures.panels import token_panel
from codi_core.figures.patching import pair_table
from codi_core.figures.steer import change_panel, dose_response, effects_table
from codi_core.figures.sweeps import ViewOptions, by_site, heatmaps, tops
from codi_core.services.claims import FieldVerdict
from codi_core.services.evaluate import EvalReport
from codi_core.services.inspect import Inspection
from codi_core.services.steer import SteeredAnswer, Steering
from codi_core.services.sweeps.claims import Finding
from codi_core.values.evals import SteeringEffect
from codi_core.values.influence import Influence
from codi_core.values.patching import PatchedPair
from codi_core.values.stats import Share
from codi_core.values.sweep import Grid, Reading, SweepTable
from codi_core.values.verdict import p_text, points


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


def _share(share: Share) -> str:
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%}, n = {share.n:,})"


@dataclass(frozen=True, eq=False, repr=False)
class LensReading(Shown):
    """What one lens reads at every index and depth of a thought."""

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
    """A prompt thought through: the answer, and a door to what lenses read on the way."""

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
    """One prompt unsteered, steered, and pushed as hard in a random direction."""

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
    """A place of one prompt put in another, beside a random vector as long."""

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
    """Who reads whom in one prompt."""

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


@dataclass(frozen=True, eq=False, repr=False)
class Effect(Shown):
    """What a condition does to an eval set, in one sentence, with intervals and, where they were asked for, random directions."""

    value: SteeringEffect
    coefficient: float

    @property
    def sentence(self) -> str:
        return self.value.verdict.sentence()

    def to_pandas(self) -> pd.DataFrame:
        return effects_table({self.coefficient: self.value})

    def figure(self) -> go.Figure:
        """Accuracy and gold margin at this coefficient, beside the baseline."""
        return dose_response({self.coefficient: self.value}, self.coefficient, abs(self.coefficient) or 1.0)

    def _said(self) -> str:
        return self.sentence

    def _below(self) -> pd.DataFrame:
        rows = [("baseline", self.value.baseline), ("steered", self.value.steered)]
        return pd.DataFrame([{"condition": name, "accuracy": _share(share)} for name, share in rows])


@dataclass(frozen=True, eq=False, repr=False)
class Accuracy(Shown):
    """How often a model is right on an eval set."""

    value: EvalReport

    @property
    def share(self) -> Share:
        return self.value.accuracy

    def to_pandas(self) -> pd.DataFrame:
        """One row a question."""
        return pd.DataFrame([asdict(row) for row in self.value.run.rows])

    def figure(self) -> go.Figure:
        """The accuracy, whole and by kind of question, with its intervals."""
        shares = {"all": self.share, **self.value.by_family}
        bars = {"array": [s.high - s.value for s in shares.values()], "arrayminus": [s.value - s.low for s in shares.values()]}
        bar = go.Bar(x=list(shares), y=[share.value for share in shares.values()], error_y=bars)
        return go.Figure(bar, {"template": "plotly_white", "yaxis": {"tickformat": ".0%", "range": [0, 1]}, "title": _share(self.share)})

    def _said(self) -> str:
        return f"{self.value.spec.eval_set.name}: {_share(self.share)}"

    def _below(self) -> pd.DataFrame:
        return self.to_pandas()["outcome"].value_counts().rename_axis("outcome").reset_index(name="questions")


@dataclass(frozen=True, eq=False, repr=False)
class Sweep(Shown):
    """A grid of conditions: every pair × index × coefficient."""

    value: SweepTable

    def to_pandas(self) -> pd.DataFrame:
        """One row a condition."""
        return self.value.cells

    def figure(self, coefficient: float | None = None, reading: Reading = "B-A") -> go.Figure:
        """Change of accuracy, pairs × sites, at one coefficient (the largest) of the first variant."""
        cells = self.value.cells
        grid = Grid(self.value, str(cells.loc[cells["role"] == "cell", "variant"].iloc[0]), reading)
        options = ViewOptions(reading=reading)
        chosen = max(grid.coefficients) if coefficient is None else coefficient
        panel = by_site(grid, chosen, options, tops(grid.rows.values(), options))
        return heatmaps([panel], f"{self.value.title}: {options.title}", f"{self.value.model_name}, {self.value.key}")

    def _said(self) -> str:
        cells = (self.value.cells["role"] == "cell").sum()
        return f"{self.value.title}, {cells:,} cells on {self.value.eval_set.n:,} questions; the largest effects"

    def _below(self) -> pd.DataFrame:
        names = ["variant", "a", "b", "index", "coefficient", "accuracy", "delta", "delta_low", "delta_high", "p_max"]
        cells = self.value.cells[self.value.cells["role"] == "cell"]
        return cells.reindex(cells["delta"].abs().sort_values(ascending=False).index)[names].head(12)


@dataclass(frozen=True, eq=False, repr=False)
class Claims(Shown):
    """What the posts claim, and which of it holds on a model."""

    value: tuple[Finding, ...]

    def to_pandas(self) -> pd.DataFrame:
        return pd.DataFrame([self._row(finding) for finding in self.value])

    def figure(self) -> go.Figure:
        """Effects with their 95 % intervals, in points."""
        tests = [(finding, test) for finding in self.value if (test := finding.test())]
        marks = [Mark(100 * t.effect, 100 * t.low, 100 * t.high, f.why) for f, t in tests]
        return forest([f.claim.sentence for f, _ in tests], {"effect": marks})

    @staticmethod
    def _row(finding: Finding) -> dict[str, Any]:
        test = finding.test()
        numbers = {"effect": points(test.effect), "p": p_text(test.adjusted)} if test else {"effect": "–", "p": "–"}
        return {"claim": finding.claim.sentence, **numbers, "verdict": finding.verdict, "why": finding.why}

    def _said(self) -> str:
        return "Claims of the posts, effects in points"

    def _below(self) -> pd.DataFrame:
        return self.to_pandas()


@dataclass(frozen=True, eq=False, repr=False)
class FieldClaims(Shown):
    """What the field claims, and which of it holds on a model."""

    value: tuple[FieldVerdict, ...]

    def to_pandas(self) -> pd.DataFrame:
        return pd.DataFrame([self._row(verdict) for verdict in self.value])

    def figure(self) -> go.Figure:
        """What decides each claim with its 95 % interval, where that is in points."""
        marks = {
            verdict.claim.sentence: Mark(100 * part.value, 100 * part.low, 100 * part.high, verdict.ruling)
            for verdict in self.value
            for part in verdict.parts[:1]
            if part.unit == "points" and not part.said
        }
        return forest(list(marks), {"decisive": list(marks.values())})

    @staticmethod
    def _row(verdict: FieldVerdict) -> dict[str, Any]:
        claim = verdict.claim
        words = {"claim": f"{claim.key} {claim.sentence}", "source": claim.source, "verdict": verdict.ruling}
        return {**words, "decided by": verdict.line, "why": verdict.why, "on": verdict.on, "needed": verdict.needed}

    def _said(self) -> str:
        return "Claims of the field"

    def _below(self) -> pd.DataFrame:
        return self.to_pandas()
