"""What the Python API gives back of many questions: accuracies, effects, grids and claims, with n and intervals."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from codi_core.api.results import Shown
from codi_core.figures.claims import Mark, forest
from codi_core.figures.steer import dose_response, effects_table
from codi_core.figures.sweeps import ViewOptions, by_site, heatmaps, tops
from codi_core.services.claims import FieldVerdict
from codi_core.services.evaluate import EvalReport
from codi_core.services.sweeps.claims import Finding
from codi_core.values.evals import SteeringEffect
from codi_core.values.stats import Share
from codi_core.values.sweep import Grid, Reading, SweepTable
from codi_core.values.verdict import p_text, points


@dataclass(frozen=True, eq=False, repr=False)
class Effect(Shown):
    """What a condition does to an eval set, in one sentence, with intervals and, where they were asked for, random directions.

    Examples:
        >>> import codi_core as codi
        >>> effect = codi.load("bundled-steps").compare(a=2, b=4, index=5, coefficient=0.5, n=8)
        >>> effect.to_pandas()[["coefficient", "done", "of"]].values.tolist()
        [[0.5, 8.0, 8.0]]
    """

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
    """How often a model is right on an eval set.

    Examples:
        >>> import codi_core as codi
        >>> accuracy = codi.load("bundled-steps").evaluate("templates", n=20)
        >>> bool((accuracy.to_pandas()["outcome"] == "correct").mean() == accuracy.share.value)
        True
    """

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
    """A grid of conditions: every pair × index × coefficient.

    Examples:
        >>> import codi_core as codi
        >>> grid = codi.sweep(codi.load("bundled-steps"), "post-kv", n=150)
        >>> grid.to_pandas()["role"].value_counts().index[0]
        'cell'
    """

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
    """What the posts claim, and which of it holds on a model.

    Examples:
        >>> import codi_core as codi
        >>> list(codi.claims("bundled-steps", setting="corrected").to_pandas())
        ['claim', 'effect', 'p', 'verdict', 'why']
    """

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
    """What the field claims, and which of it holds on a model.

    Examples:
        >>> import codi_core as codi
        >>> list(codi.claims("bundled-steps").to_pandas())[:4]
        ['claim', 'source', 'verdict', 'decided by']
    """

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


def _share(share: Share) -> str:
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%}, n = {share.n:,})"
