"""What is done while the server starts, so that nobody waits for it: the model is opened, and the first page thought through once."""

from __future__ import annotations

import gc
import importlib
import logging
import pkgutil

import codi_core.ui
from codi_core.errors import CodiError
from codi_core.services.cards import ModelCard, model_card
from codi_core.services.catalog import model_choices
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.lenses import lens_menu
from codi_core.services.shared.remote import RemoteWorkbench
from codi_core.services.shared.workbench import Workbench
from codi_core.ui.heatmaps import calls as sweeps
from codi_core.ui.inspect.examples import FIRST
from codi_core.ui.shell import calls
from codi_core.ui.widgets import passes_choice

_LOG = logging.getLogger(__name__)
VIEWER = "start"


def open_first() -> None:
    """The model of the settings, where its files are here; nothing is fetched. What is wrong with it is said on the page that needs it."""
    try:
        bench = calls.opened().session(VIEWER)
        name = bench.settings.model
        if any(choice.present for choice in bench.call(model_choices) if choice.name == name):
            _first_view(bench, bench.call(model_card, name, VIEWER))
        sweeps.stored_in(bench)
    except CodiError as error:
        _LOG.warning("the model was not opened at the start: %s", error)
    for module in pkgutil.walk_packages(codi_core.ui.__path__, "codi_core.ui."):
        importlib.import_module(module.name)
    # Whoever looks for garbage, all threads wait: what is here now stays, and need not be looked through.
    gc.collect()
    gc.freeze()


def _first_view(bench: Workbench | RemoteWorkbench, card: ModelCard) -> None:
    """The first prompt through the first lens. The very first pass through a model takes several times what the others do."""
    lens = bench.call(lens_menu, card.name, VIEWER)[0].name
    bench.call(inspect, InspectRequest(card.name, FIRST, passes_choice.of(card), lenses=(lens,), own=True), VIEWER)
