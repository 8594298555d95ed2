"""C12: the named pairs steer the KV cache to better answers; hidden-state steering never does."""

from __future__ import annotations

from codi_core.errors import InputError
from codi_core.services.claims.asked import Asked, Measured, Untestable
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above, fact
from codi_core.services.claims.sources import SPRINT_3
from codi_core.services.sweeps.claims import SETTINGS, Finding, baseline_of, evidence, latest, mean_right, stored_findings
from codi_core.services.sweeps.claims.cells import CELLS
from codi_core.services.sweeps.claims.never import NEVER
from codi_core.services.sweeps.stored import of_model, stored_sweeps


def measure(asked: Asked) -> Measured:
    found = {one.claim.sentence: one for one in stored_findings(asked.bench.store, asked.model, asked.eval_set)}
    named, never = [found[claim.sentence] for claim in CELLS], found[NEVER[0].sentence]
    check_stored([*named, never])
    if all(one.verdict == "not testable" for one in named):
        raise Untestable(named[0].why)
    table = latest(of_model(stored_sweeps(asked.bench.store), asked.model), SETTINGS["post"]["kv"], asked.eval_set)
    assert table is not None
    own = evidence(asked.bench.store, table)
    rows = [own.grids["B-A"].at(claim.a, claim.b, claim.index, claim.coefficient) for claim in CELLS]
    known = [row for row in rows if row is not None]
    counts = {ruling: sum(one.verdict == ruling for one in named) for ruling in dict.fromkeys(one.verdict for one in named)}
    facts = {"named": counts, "never": never.verdict, "never_why": never.why}
    return Measured({"named": mean_right(own, known) - baseline_of(own, known[0], "same")}, own.clusters, facts)


def check_stored(found: list[Finding]) -> None:
    """Raises InputError when a sweep is missing."""
    for one in found:
        if not one.sweep:
            raise InputError(f"No sweep is stored that this could be tested on: {one.needed}")


def parts(found: Evidence) -> list[Part]:
    counts = ", ".join(f"{count} {ruling}" for ruling, count in found.facts["named"].items())
    never = found.facts["never"]
    holds = None if never == "not testable" else never != "reversed"
    return [
        above(f"named pairs at latent 5 minus the baseline, on average (one by one: {counts})", found.arrays["named"], found.clusters),
        fact("hidden-state steering", holds, found.facts["never_why"], "never better than the baseline"),
    ]


CLAIM = FieldClaim(
    key="C12",
    sentence="Named pairs steer the KV cache to better answers; hidden-state steering never does",
    source=SPRINT_3,
    eval_set="templates",
    statistic="Stored sweeps as in the posts: mean accuracy under the 16 named cells minus the baseline with as many passes; the best cell "
    "of the hidden-state grid, by the max-statistic. Each cell for itself: below.",
    reproduced="The mean lies above 0, and no cell of the hidden-state grid is better than the baseline.",
    reversed="The mean lies below 0.",
    page="heatmaps",
    fields={"sweep": "post-kv", "eval_set": "templates"},
    measure=measure,
    parts=parts,
    needs="stored sweeps (python -m codi_core sweep --model {model} --preset post-kv, and post-hidden)",
)
