"""``python -m benchmarks.examples [MODEL …]``: compute what pages open with (Detect, Influence, Ablate, Patch, Claims) for cache/bundled.

And what Detect, Geometry (of h), Influence, Patch and Model show beside the model's control.

Without a model's name all of it is made anew: nothing else that ships is of these kinds.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from codi_core.errors import LensError
from codi_core.lenses.training import LensTrainSpec
from codi_core.services.ablate import EarlyStopRequest, early_stop
from codi_core.services.claims import measure
from codi_core.services.detect import DetectRequest, detect
from codi_core.services.geometry import GeometryRequest, geometry
from codi_core.services.influence_sets import InfluenceSetRequest, influence_set
from codi_core.services.lens_contrasts import lens_contrast
from codi_core.services.lenses import lens_menu, train_lens
from codi_core.services.patch_maps import PatchMapRequest, patch_map
from codi_core.services.shared.requests import MeansRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.twins import control_of
from codi_core.settings import Settings
from codi_core.ui.ablate.link import Setup as AblateSetup
from codi_core.ui.detect.link import Setup as DetectSetup
from codi_core.ui.geometry.link import Setup as GeometrySetup
from codi_core.ui.influence.link import Setup as InfluenceSetup
from codi_core.ui.patch.examples import FIRST
from codi_core.ui.patch.link import CONTROLS
from codi_core.ui.patch.link import Setup as PatchSetup
from codi_core.values.lens import LensCard
from codi_core.values.patching import WAYS

MODELS = ("bundled", "bundled-steps")
KINDS, CLAIMS = ("detections", "runs", "patches", "influences", "geometries", "lens-contrasts"), ("claims",)


def main() -> None:
    settings = Settings.from_env()
    if not sys.argv[1:]:
        for kind in (*KINDS, *CLAIMS):
            shutil.rmtree(settings.bundled_dir / kind, ignore_errors=True)
    for model in sys.argv[1:] or MODELS:
        _shipped(settings, model, computed, KINDS)
        _shipped(settings, model, claimed, CLAIMS)


def _shipped(settings: Settings, model: str, work: Callable[[Workbench, str], Iterator[str]], kinds: Sequence[str]) -> None:
    """What ``work`` makes of these kinds; what it needs besides is left behind."""
    with tempfile.TemporaryDirectory() as made:
        bench = Workbench(replace(settings, model=model, cache_dir=Path(made)))
        try:
            for line in work(bench, model):
                print(line, flush=True)
        finally:
            bench.close()
        for kind in kinds:
            if (Path(made) / kind).is_dir():  # not where all of it ships already
                shutil.copytree(Path(made) / kind, settings.bundled_dir / kind, dirs_exist_ok=True)


def claimed(bench: Workbench, model: str) -> Iterator[str]:
    for step in measure(bench, model):
        yield f"{model}: {step.claim.key} {step.refused or 'measured'}"


def computed(bench: Workbench, model: str) -> Iterator[str]:
    """As the pages ask when their address says nothing, and when it says no more than that the control is to be shown."""
    twin = control_of(bench, model)
    for name in (model, twin):
        for readings in detect(bench, detect_request(name), "examples"):
            yield f"{name}: {len(readings.questions)} of {readings.total} questions read"
        for seen in influence_set(bench, influence_request(name), "examples"):
            yield f"{name}: influence in {len(seen.ids)} of {seen.total} questions"
        found = geometry(bench, geometry_request(name), "examples")
        yield f"{name}: {found.dimensions} dimensions of h, n = {len(found.questions)}"
    needed = AblateSetup()
    for curve in early_stop(bench, EarlyStopRequest(model, needed.eval_set, needed.n), "examples"):
        yield f"{model}: {curve.done:g} numbers of passes answered"
    for request in (*patch_requests(model), *patch_requests_beside(model, twin)):
        for patched in patch_map(bench, request, "examples"):
            yield f"{request.model}: {request.way}, {request.donor} put in place at {patched.done:g} indices"
    yield f"{model}: {_lens_beside(bench, model, twin)} beside that of {twin}"


def detect_request(model: str) -> DetectRequest:
    asked = DetectSetup()
    return DetectRequest(model, asked.eval_set, asked.n, lens=asked.lens)


def geometry_request(model: str) -> GeometryRequest:
    """Of h: in a control z never acts."""
    asked = GeometrySetup()
    return GeometryRequest(model, "h", means=MeansRequest(asked.means, int(asked.means_n)))


def influence_request(model: str) -> InfluenceSetRequest:
    asked = InfluenceSetup()
    return InfluenceSetRequest(model, asked.eval_set, asked.n)


def patch_requests(model: str) -> list[PatchMapRequest]:
    """Both ways and every control, over pairs of the eval set and over the pair the page begins with."""
    many, one = PatchMapRequest(model, eval_set=PatchSetup().eval_set, n=PatchSetup().n), PatchMapRequest(model, *FIRST)
    ways = [replace(request, way=way) for request in (many, one) for way in WAYS]
    return [*ways, *(replace(many, donor=donor) for donor in CONTROLS), replace(one, donor="random")]


def patch_requests_beside(model: str, twin: str) -> list[PatchMapRequest]:
    """The model's own pairs in its control, both ways."""
    return [replace(request, model=twin, pairs_of=model) for request in patch_requests(model) if request.donor == "source"]


def _lens_beside(bench: Workbench, model: str, twin: str) -> str:
    """Name of the lens. Lenses of the twin do not ship: what they are worth does."""
    card = first_card(bench, model)
    try:
        lens_contrast(bench, model, twin, card, "examples")
    except LensError:
        train_lens(bench, twin, LensTrainSpec(), "examples", lambda what, done, total: None)
        lens_contrast(bench, model, twin, card, "examples")
    return card.name


def first_card(bench: Workbench, model: str) -> LensCard:
    """Of the lens that the Model page opens with."""
    return next(option.card for option in lens_menu(bench, model, "examples") if option.card)


if __name__ == "__main__":
    main()
