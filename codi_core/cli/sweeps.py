"""Commands for grids of conditions: sweep and confirm."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from codi_core.cli.flags import (
    eval_set_arguments,
    executor_arguments,
    json_argument,
    model_arguments,
    passes_argument,
    whole,
)
from codi_core.cli.session import changed, open_workbench, print_json, sweep_progress
from codi_core.errors import SweepError

if TYPE_CHECKING:
    import pandas as pd

    from codi_core.services.shared.requests import SweepRequest
    from codi_core.services.shared.workbench import Workbench
    from codi_core.values.sweep import SweepTable


def sweep_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", required=True, metavar="NAME", help="post-hidden, post-kv, corrected-hidden, corrected-kv, layers, …")
    eval_set_arguments(parser, "templates")
    passes_argument(parser)
    band_arguments(parser)
    parser.add_argument("--means-n", type=whole, metavar="N", help="questions behind the means (default: the preset's; 0 = all)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="CELL", help="VARIANT:A:B:INDEX:COEFFICIENT instead of the grid; may be repeated"
    )
    parser.add_argument(
        "--bands-at",
        action="append",
        default=[],
        type=float,
        metavar="SIZE",
        help="measure the bands of all other cells at this |coefficient|, too; may be repeated",
    )
    executor_arguments(parser)
    model_arguments(parser)
    json_argument(parser)


def confirm_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sweep", metavar="KEY", help="a stored sweep (default: the newest of this model on select)")
    eval_set_arguments(parser, "confirm")
    band_arguments(parser)
    executor_arguments(parser)
    model_arguments(parser)
    json_argument(parser)


def band_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--randoms",
        type=whole,
        default=8,
        metavar="N",
        help="random directions of a band, as long as a cell's own push, each pushed both ways, for cells that are claimed or significant; "
        "10 with --shuffled and more give a percentile (default 8)",
    )
    parser.add_argument("--shuffled", type=whole, default=2, metavar="N", help="differences of shuffled steps, likewise (default 2)")


def sweep(args: argparse.Namespace) -> int:
    """Run every condition of a grid on an eval set; run the same command again to resume"""
    from codi_core.services.shared.interventions import cell_id_of
    from codi_core.services.shared.requests import SweepRequest

    with open_workbench(args) as bench:
        request = SweepRequest(
            model=bench.settings.model,
            preset=args.preset,
            eval_set=args.eval_set,
            n=args.n,
            seed=args.seed,
            passes=args.passes,
            randoms=args.randoms,
            shuffled=args.shuffled,
            means_n=args.means_n,
            only=tuple(map(cell_id_of, args.only)),
            bands_at=tuple(map(abs, args.bands_at)),
        )
        return _sweep(args, bench, request, "")


def confirm(args: argparse.Namespace) -> int:
    """Test the winners of a stored sweep, chosen on one split, once on another; run the same command again to resume"""
    from codi_core.services.sweeps.confirm import confirm_request

    with open_workbench(args) as bench:
        request, words = confirm_request(bench, args.sweep, args.eval_set, args.n, args.seed, args.randoms, args.shuffled)
        return _sweep(args, bench, request, words)


def _sweep(args: argparse.Namespace, bench: Workbench, request: SweepRequest, words: str) -> int:
    """``words`` on how its cells were chosen."""
    from codi_core.services.sweeps.run import sweep as run
    from codi_core.services.sweeps.stored import cell_outcomes

    try:
        table = run(bench, request, sweep_progress(args))
    except SweepError as error:
        print(f"codi_core {args.name}: {error}", file=sys.stderr)
        return 1
    if args.json:
        known = {name: own.astype(object).where(own.notna(), None) for name, own in (("cells", table.cells), ("bands", table.bands))}
        records = {name: own.to_dict("records") for name, own in known.items()}
        outcomes = {str(place): dataclasses.asdict(own) for place, own in cell_outcomes(bench.store, table).items()}
        print_json({"key": table.key, "chosen": words, "refused": table.refused, **records, "outcomes": outcomes})
    else:
        _print_sweep(table, words, bench)
    return 0


def _print_sweep(table: SweepTable, words: str, bench: Workbench) -> None:
    from codi_core.services.sweeps.stored import cell_outcomes

    eval_set, cells = table.eval_set, table.cells
    conditions = len(cells) + len(table.bands)
    print(f"{table.model_name}, {table.title}, {eval_set.name} (n {eval_set.n:,}, seed {eval_set.seed}): {conditions:,} conditions")
    for text in table.refused:
        print(f"left out: {text}")
    if words:
        print(f"chosen: {words}")
    unsteered, grouped = cells[cells["role"] == "baseline"], cells[cells["role"] == "cell"].groupby("variant", sort=False)
    by_variant = {str(variant): own for variant, own in grouped}
    shown = {variant: _extremes(own) for variant, own in by_variant.items()}
    outcomes = cell_outcomes(bench.store, table, [place for own in (unsteered, *shown.values()) for place in own["place"]])
    for row in _rows(unsteered):
        print(f"unsteered, {row.passes} passes: {row.accuracy:6.1%}  [{row.low:.1%}, {row.high:.1%}]\n  {outcomes[row.place].words()}")
    for variant, own in by_variant.items():
        counts = ", ".join(f"{int((own[f'p_{name}'] < 0.05).sum()):,} by {name}" for name in ("holm", "bh", "max"))
        print(f"\n{variant}: {len(own):,} cells; different from the baseline with as many passes at 5 %: {counts}")
        for row in _rows(shown[variant]):
            print(_cell_line(row, bench, table))
            print(f"    {outcomes[row.place].words()}")
    if len(without := cells[(cells["role"] == "cell") & cells["percentile"].isna()]):
        print(f"\n{len(without):,} cells have no random band, so no percentile: --bands-at SIZE measures those at a |coefficient|")
    print(f"\nkey  {table.key}")


def _rows(cells: pd.DataFrame) -> Any:
    return cells.itertuples(index=False)


def _extremes(own: pd.DataFrame) -> pd.DataFrame:
    """The three cells that lower accuracy most and the three that raise it most."""
    by_effect = own.sort_values("delta", kind="stable")
    return by_effect if len(own) <= 6 else by_effect.iloc[[0, 1, 2, -3, -2, -1]]


def _cell_line(row: Any, bench: Workbench, table: SweepTable) -> str:
    from codi_core.services.sweeps.stored import cell_questions, only_form_of
    from codi_core.values.sweep import signed

    effect = changed(row.delta, row.delta_low, row.delta_high)
    form = only_form_of(*cell_questions(bench.store, table, int(row.place)))
    return (
        f"  A{row.a}-B{row.b} index {row.index} coefficient {signed(row.coefficient)}  {effect}  {form.words(row.fixed, row.broken)}, "
        f"p_max {row.p_max:.3g}, {f'percentile {row.percentile:.0f}' if row.percentile == row.percentile else 'no band'}"
    )
