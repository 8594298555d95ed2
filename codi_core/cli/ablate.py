"""Commands about what latents are for and how they lie: ablate, geometry."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from codi_core.cli.evals import means_request
from codi_core.cli.flags import eval_set_arguments, json_argument, means_arguments, model_arguments, passes_argument, positive, whole
from codi_core.cli.session import open_workbench, print_json, print_table, progress
from codi_core.errors import InputError

if TYPE_CHECKING:
    from codi_core.services.shared.workbench import Workbench
    from codi_core.values.latents import AblationMap, PassCurve, PromptImportance


def ablate_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--early-stop", action="store_true", help="accuracy after 0, 1, … passes")
    what.add_argument("--prompt", metavar="TEXT", help="how much the answer to one prompt hangs on each latent")
    kinds = "zero, mean, gaussian, resample, shuffled or donor"
    parser.add_argument("--by", action="append", metavar="KIND", help=f"{kinds}; may be repeated (default mean; resample with --prompt)")
    parser.add_argument("--space", action="append", choices=("z", "h", "kv"), help="may be repeated (default all)")
    parser.add_argument("--draws", type=positive, default=32, metavar="N", help="with --prompt: latents put in each place (default 32)")
    parser.add_argument("--draw-seed", type=whole, default=0, metavar="S", help="of what is drawn at random (default 0)")
    eval_set_arguments(parser)
    passes_argument(parser)
    means_arguments(parser)
    model_arguments(parser)
    json_argument(parser)


def geometry_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", choices=("z", "h", "k", "v", "resid"), default="z")
    parser.add_argument("--layer", type=whole, metavar="D", help="depth of resid; layer of k or v (default: all of them together)")
    parser.add_argument("--centre", choices=("all", "index"), default="all", help="index: take the mean of every index away first")
    passes_argument(parser)
    means_arguments(parser)
    model_arguments(parser)
    json_argument(parser)


def ablate(args: argparse.Namespace) -> None:
    """Replace every latent in turn and measure what that costs; or stop early, or take one prompt apart"""
    show, found = progress(args, "ablate"), None
    with open_workbench(args) as bench:
        for better, done, total in _ablations(args, bench):
            found = better
            if show:
                show(done, total)
    assert found is not None
    _print_ablation(args, found)


def _ablations(args: argparse.Namespace, bench: Workbench) -> Iterator[tuple[PassCurve | AblationMap | PromptImportance, int, int]]:
    """Better and better results, and how far they are."""
    from codi_core.services import ablate as services

    model, kinds, spaces = bench.settings.model, tuple(args.by or ()), tuple(args.space or services.SPACES)
    asked = (args.eval_set, args.n, args.seed)
    if args.early_stop:
        for curve in services.early_stop(bench, services.EarlyStopRequest(model, *asked, args.passes), "ablate"):
            yield curve, int(curve.done), args.passes + 1
    elif args.prompt is not None:
        if len(kinds) > 1:
            raise InputError("With --prompt one kind of replacement is drawn: give --by once.")
        by: Any = kinds[0] if kinds else "resample"
        request = services.ImportanceRequest(model, args.prompt, by, args.draws, args.draw_seed, spaces, means_request(args), args.passes)
        for latents in services.importance(bench, request, "ablate"):
            yield latents, len(latents.latents), latents.total
    else:
        wanted = services.AblateRequest(
            model, kinds or ("mean",), spaces, *asked, means_request(args), args.passes, args.draw_seed, args.overlap
        )
        for sites in services.ablate(bench, wanted, "ablate"):
            yield sites, int(sites.done), len(sites.sites)


def geometry(args: argparse.Namespace) -> None:
    """Show the principal components of latents, against a null, and how their means point"""
    from codi_core.figures.geometry import component_table, cosine_table
    from codi_core.services.geometry import GeometryRequest
    from codi_core.services.geometry import geometry as run

    if args.overlap:
        raise InputError("Nothing is evaluated here that means could overlap with: leave --overlap out.")
    with open_workbench(args) as bench:
        request = GeometryRequest(bench.settings.model, args.space, args.layer, means_request(args), args.passes, args.centre)
        found = run(bench, request, "geometry", progress=progress(args, "latents"))
    if args.json:
        tables = {"components": component_table(found), "cosines": cosine_table(found)}
        facts = {"key": request.key, "means_key": found.means.key, "n": found.explained.n, "retained": found.retained}
        known = {name: table.astype(object).where(table.notna(), None) for name, table in tables.items()}
        print_json({**facts, **{name: table.to_dict(orient="list") for name, table in known.items()}})
        return
    print(f"{found.space}: {found.dimensions} dimensions, n = {found.explained.n:,} questions of {found.means.eval_set.name}")
    print(component_table(found).drop(columns="n").to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    print(f"{found.retained} components from the first on explain more than the same one in any of {len(found.null)} shuffled copies")
    print(f"key  {request.key}")


def _print_ablation(args: argparse.Namespace, found: PassCurve | AblationMap | PromptImportance) -> None:
    from codi_core.figures.ablate import ablation_table, pass_table
    from codi_core.figures.importance import importance_table
    from codi_core.values.latents import AblationMap, PassCurve, PromptImportance

    head: dict[str, Any] = {}
    if isinstance(found, PromptImportance):
        head, table = {"answer": found.answer, "prob": found.prob, "draws": found.draws, "key": found.key}, importance_table(found)
    else:
        table = pass_table(found) if isinstance(found, PassCurve) else ablation_table(found)
    if args.json:
        print_json({**head, "rows": table.to_dict(orient="records")})
        return
    if head:
        print(f"answer {head['answer']!r}, P = {head['prob']:.3f}; {head['draws']} draws a latent, changes of log P in nats")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    if isinstance(found, PassCurve):
        print_table([(f"{point.passes} passes", point.outcomes.words()) for point in found.points if point.group == "all"])
    elif isinstance(found, AblationMap):
        print_table([("unsteered", next(iter(found.effects.values())).baseline_outcomes.words())])
