"""The steps that look at stored sweeps: a grid of all pairs and sites, and one claim after the other."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from codi_core.figures.provenance import of_sweep
from codi_core.figures.stand_alone import stand_alone
from codi_core.figures.sweeps import SweepPanel, ViewOptions, by_site, heatmaps, tops
from codi_core.services.sweeps.claims import POST_CLAIMS, Family, Finding
from codi_core.ui.claims import tables as claim_tables
from codi_core.ui.claims.shown import Shown
from codi_core.ui.claims.style import badge
from codi_core.ui.heatmaps.link import Setup
from codi_core.ui.widgets import linked
from codi_core.ui.widgets.plot import plot
from codi_core.values.sweep import Grid, SweepTable
from codi_core.values.verdict import points

COEFFICIENTS: dict[Family, tuple[float, ...]] = {"hidden": (1.0, -1.0), "kv": (0.5, -1.0)}
"""Those of the posts' figures."""


def grid(model: str, family: Family, table: SweepTable | None, findings: Sequence[Finding]) -> Shown:
    own = [finding for finding in findings if finding.claim.family == family]
    if table is None:
        return Shown(f"no such sweep is stored for this model. {own[0].why}", Setup(model=model))
    variant = next(iter(table.cells.loc[table.cells["role"] == "cell", "variant"]))
    cells, options = Grid(table, variant), ViewOptions()
    panels = [by_site(cells, c, options, tops(cells.rows.values(), options)) for c in COEFFICIENTS[family] if c in cells.coefficients]
    title, condition = f"{table.title}: {options.title}", of_sweep(table)
    figure = heatmaps(panels, title, condition)
    live = Setup(model=model, sweep=table.name, eval_set=table.eval_set.name, alpha=",".join(f"{c:g}" for c in COEFFICIENTS[family]))
    return Shown(
        _counted(own),
        live,
        condition,
        lambda: plot(lambda: figure, key=f"step-{family}", label=title),
        lambda: figure,
        lambda: [_table(panels)],
    )


def _counted(own: Sequence[Finding]) -> str:
    """How many claims came out how; the reasons where they are few."""
    if len(own) <= 3:
        return " ".join(f"“{finding.claim.sentence}”: {finding.verdict}. {finding.why.rstrip('.')}." for finding in own)
    counts = pd.Series([finding.verdict for finding in own]).value_counts()
    listed = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    clear = [f"“{finding.claim.sentence}” ({finding.verdict})" for finding in own if finding.verdict in ("reproduced", "reversed")]
    return f"of {len(own)} claims about this grid: {listed}." + (f" Clear: {'; '.join(clear)}." if clear else "")


def _table(panels: Sequence[SweepPanel]) -> pd.DataFrame:
    return pd.DataFrame([row for panel in panels for line in panel.found for row in line if row is not None])


def one_claim(model: str, tables: dict[Family, SweepTable | None], findings: Sequence[Finding]) -> Shown:
    """The claim chosen from the list of all."""
    names = [str(place) for place in range(len(POST_CLAIMS))]
    place = int(linked.select("Claim", "claim", names, title=lambda name: f"{int(name) + 1}. {POST_CLAIMS[int(name)].sentence}"))
    finding = findings[place]
    table, test = tables[finding.claim.family], finding.test()
    setup = Setup(model=model)
    if table is not None and test is not None and test.cell_id is not None:
        setup = claim_tables.cell_setup(table, test.cell_id, model)
    figure, condition = claim_tables.forest_of([finding]), of_sweep(table) if table else ""
    size = "" if test is None else f"{points(test.effect)} points ({points(test.low)} to {points(test.high)}). "
    return Shown(
        f"{size}{finding.why}",
        setup,
        condition,
        lambda: plot(lambda: figure, key="step-claim", label=finding.claim.sentence) if finding.tests else None,
        lambda: stand_alone(figure, finding.claim.sentence, condition),
        lambda: [claim_tables.table_of([finding])],
        badge(finding.verdict),
    )
