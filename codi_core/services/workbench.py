"""What services share: models kept by name, the one worker thread that owns them, and the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Concatenate, Generic, ParamSpec, TypeVar

from codi_core.backend.worker import Check, Worker
from codi_core.device import free_cached_memory
from codi_core.engine.engine import Engine
from codi_core.evaluation.prepared import PreparedSet
from codi_core.evaluation.probe import Probe
from codi_core.lenses.base import Lens
from codi_core.lenses.table import load_lens
from codi_core.models.load import ModelRequest, load_model
from codi_core.models.presets import PRESETS
from codi_core.settings import Settings
from codi_core.steering.rows import Directions
from codi_core.store import Store
from codi_core.types import Rollout, RolloutConfig

MODELS_KEPT = 2
ROLLOUTS_KEPT = 32
PROBES_KEPT = 8
LENSES_KEPT = 4
"""A tuned lens of the 1B model takes 270 MB."""
PREPARED_KEPT = 2
DIRECTIONS_KEPT = 4
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Asked = ParamSpec("Asked")
Poke = Callable[[], None]
"""Called while a viewer waits; may raise to leave, which cancels the work."""


class Recent(Generic[Key, Value]):
    """The newest few values by key. For one thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key, make: Callable[[], Value], make_room: Callable[[], None] | None = None) -> Value:
        """The value, made when it is not kept; the one used longest ago is let go first."""
        if key not in self._values:
            while len(self._values) >= self._limit:
                self._values.popitem(last=False)
                if make_room:
                    make_room()
            self._values[key] = make()
        self._values.move_to_end(key)
        return self._values[key]


class Workbench:
    """One a process. Services take it first; whatever touches a model goes through `run`."""

    def __init__(self, settings: Settings, models: Mapping[str, ModelRequest] | None = None) -> None:
        """``models``: what a name stands for where it is more than a preset, a hub id or a folder (a base, a LoRA alpha, …)."""
        self.settings = settings
        self.models = dict(models or {})
        self.store = Store(settings)
        self.worker = Worker()
        self._engines: Recent[ModelRequest, Engine] = Recent(MODELS_KEPT)
        self._rollouts: Recent[tuple[str, str, RolloutConfig], Rollout] = Recent(ROLLOUTS_KEPT)
        self._lenses: Recent[tuple[str, str], Lens] = Recent(LENSES_KEPT)
        self.prepared: Recent[Hashable, PreparedSet] = Recent(PREPARED_KEPT)
        """Eval sets with their prompts and latents. Only within `run`."""
        self.probes: Recent[Hashable, Probe] = Recent(PROBES_KEPT)
        """Single prompts to be steered. Only within `run`."""
        self.directions: Recent[str, Directions] = Recent(DIRECTIONS_KEPT)
        """By key of their MeansSpec. Only within `run`."""

    def seat(self, viewer: str) -> Workbench:
        """Where a viewer's services run: here. Elsewhere for `RemoteWorkbenches`."""
        return self

    def call(self, service: Callable[Concatenate[Workbench, Asked], Value], *args: Asked.args, **kwargs: Asked.kwargs) -> Value:
        """A service of this workbench; as `RemoteWorkbench.call`."""
        return service(self, *args, **kwargs)

    def stream(
        self, service: Callable[Concatenate[Workbench, Asked], Iterator[Value]], *args: Asked.args, **kwargs: Asked.kwargs
    ) -> Iterator[Value]:
        """A service that yields ever better values; as `RemoteWorkbench.stream`."""
        return service(self, *args, **kwargs)

    def run(self, work: Callable[[Check], Value], viewer: str, poke: Poke | None = None) -> Value:
        """Do ``work`` in the model's thread and wait for it. Raises what it raises; Cancelled when the viewer asked for something newer.

        ``viewer`` names a session, or a session and a purpose. Never call this from within ``work``.
        """
        return self.worker.submit(work, viewer).result(poke=poke)

    def engine(self, model: str | ModelRequest = "") -> Engine:
        """The engine on a model, loaded when it is not kept. Only within `run`. Raises ModelError and its children."""
        if isinstance(model, str):
            name = model or self.settings.model
            model = self.models.get(name) or ModelRequest(name)
        request = model
        return self._engines.get(request, lambda: Engine(load_model(request, self.settings)), make_room=self._make_room)

    def _make_room(self) -> None:
        """What was computed with a model keeps it alive: let it go when a model has to leave."""
        self.prepared, self.probes, self.directions = Recent(PREPARED_KEPT), Recent(PROBES_KEPT), Recent(DIRECTIONS_KEPT)
        self.forget_lenses()
        free_cached_memory()

    def rollout(self, engine: Engine, question: str, config: RolloutConfig, check: Check) -> Rollout:
        """One recorded rollout; the latest are kept, so that another lens or token costs no second one. Only within `run`."""
        key = (engine.model.spec.key, question, config)
        return self._rollouts.get(key, lambda: engine.rollout([question], config, on_step=check)[0])

    def lens(self, engine: Engine, name: str) -> Lens:
        """A lens of this model by name. Only within `run`. Raises LensError."""
        return self._lenses.get((engine.model.spec.key, name), lambda: load_lens(engine.model, name, self.settings))

    def forget_lenses(self) -> None:
        """After one was made anew. Only within `run`."""
        self._lenses = Recent(LENSES_KEPT)

    def close(self) -> None:
        self.worker.close()


def model_names() -> tuple[str, ...]:
    """Presets, the models that ship with the repository first."""
    return tuple(sorted(PRESETS, key=lambda name: PRESETS[name].hub_id is not None))
