"""What services share: models kept by name, the one worker thread that owns them, and the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, TypeVar

from codi_core.backend.worker import ON_WAIT_SECONDS, Waiting, Worker
from codi_core.device import available_memory, free_cached_memory, hold_memory
from codi_core.engine.engine import Engine
from codi_core.errors import ModelError
from codi_core.evaluation.patching import PairSet
from codi_core.evaluation.prepared import KEPT_SHARE, PreparedSet
from codi_core.evaluation.probe import Probe
from codi_core.lenses.base import Lens
from codi_core.lenses.registry import load_lens
from codi_core.models.load import ModelRequest, load_model
from codi_core.models.presets import PRESETS
from codi_core.services.shared import entry
from codi_core.settings import Settings
from codi_core.steering.context import Directions
from codi_core.steering.means import LatentSamples
from codi_core.store import Store
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.model import Rollout, RolloutConfig
from codi_core.values.questions import EvalSetSpec, Question

if TYPE_CHECKING:  # the command line counts nothing
    from codi_core.services.shared.meter import Meter

MODELS_KEPT = 2
ROLLOUTS_KEPT = 32
PROBES_KEPT = 8
PAIRS_KEPT = 8
LENSES_KEPT = 4
"""A tuned lens of the 1B model takes 270 MB."""
PREPARED_KEPT = 2
PREPARED_BYTES = 2**30
"""Prompts that a server keeps between conditions; given back when nobody came for ten minutes."""
DIRECTIONS_KEPT = 4
SAMPLES_KEPT = 2
BEHIND = "~"
"""Begins the purpose of a viewer, as in ``session/~detect``, whose work lets answers that somebody waits for pass."""
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Args = ParamSpec("Args")


class LruCache(Generic[Key, Value]):
    """The newest few values by key. For one thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[Value]:
        return iter(self._values.values())

    def __len__(self) -> int:
        return len(self._values)

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

    def __init__(
        self, settings: Settings, models: Mapping[str, ModelRequest] | None = None, served: bool = False, meter: Meter | None = None
    ) -> None:
        """``models``: what a name stands for where it is more than a preset, a hub id or a folder (a base, a LoRA alpha, …).

        ``served``: to viewers, whose requests are bounded by the settings. ``meter`` counts them.
        """
        self.settings, self.served, self.meter = settings, served, meter
        self.models = dict(models or {})
        self.store = Store(settings)
        self.store.tidy()
        hold_memory()
        self.worker = Worker(on_idle=self._make_room)
        if meter:
            meter.watch(self.worker)
        self._engines: LruCache[ModelRequest, Engine] = LruCache(MODELS_KEPT)
        self._rollouts: LruCache[tuple[str, str, RolloutConfig], Rollout] = LruCache(ROLLOUTS_KEPT)
        self._lenses: LruCache[tuple[str, str], Lens] = LruCache(LENSES_KEPT)
        self.prepared: LruCache[Hashable, PreparedSet] = LruCache(PREPARED_KEPT)
        """Eval sets with their prompts and latents. Only within `run`."""
        self.probes: LruCache[Hashable, Probe] = LruCache(PROBES_KEPT)
        """Single prompts to be steered. Only within `run`."""
        self.pairs: LruCache[Hashable, PairSet] = LruCache(PAIRS_KEPT)
        """Two prompts to be patched. Only within `run`."""
        self.directions: LruCache[str, Directions] = LruCache(DIRECTIONS_KEPT)
        """By key of their MeansSpec. Only within `run`."""
        self.samples: LruCache[str, LatentSamples] = LruCache(SAMPLES_KEPT)
        """Those the disk does not take, by key of their MeansSpec. Only within `run`."""
        self.collected: set[Hashable] = set()
        """Means that are there, by what was asked for: they need no turns."""
        self._alone: dict[Hashable, Lock] = {}

    def session(self, viewer: str) -> Workbench:
        """Where a viewer's services run: here. Elsewhere for `RemoteWorkbenches`."""
        return self

    def call(self, service: Callable[Concatenate[Workbench, Args], Value], *args: Args.args, **kwargs: Args.kwargs) -> Value:
        """A service of this workbench; as `RemoteWorkbench.call`."""
        if self.meter:
            return self.meter.call(service.__name__, args, lambda: service(self, *args, **kwargs))
        return service(self, *args, **kwargs)

    def stream(
        self, service: Callable[Concatenate[Workbench, Args], Iterator[Value]], *args: Args.args, **kwargs: Args.kwargs
    ) -> Iterator[Value]:
        """A service that yields ever better values; as `RemoteWorkbench.stream`."""
        if self.meter:
            return self.meter.stream(service.__name__, args, lambda: service(self, *args, **kwargs))
        return service(self, *args, **kwargs)

    def run(self, model: str, work: Callable[[Engine, CheckCancelled], Value], viewer: str, on_wait: OnWait | None = None) -> Value:
        """Do ``work`` with the engine on ``model`` in the model's thread and wait for it.

        Raises ModelError and its children when the model cannot be loaded, what ``work`` raises, and Cancelled when the viewer asked for
        something newer. ``viewer`` names a session, or a session and a purpose (see BEHIND). Never call this from within ``work``.
        """
        behind = f"/{BEHIND}" in viewer
        job = self.worker.submit(lambda check_cancelled: work(self.engine(model), check_cancelled), viewer, behind)
        try:
            return job.result(on_wait=on_wait)
        finally:
            entry.note(job)

    @contextmanager
    def alone(self, what: Hashable, on_wait: OnWait | None) -> Iterator[None]:
        """For work in turns that many may ask for at once: the first does it, the others wait and find it done. Not within `run`."""
        lock = self._alone.setdefault(what, Lock())
        while not lock.acquire(timeout=ON_WAIT_SECONDS):
            if on_wait:
                on_wait()
        try:
            yield
        finally:
            lock.release()

    def waiting(self, person: str) -> Waiting | None:
        """Where a session's oldest job stands in line; None when it has none there."""
        return self.worker.waiting(person)

    def engine(self, model: str | ModelRequest = "") -> Engine:
        """The engine on a model, loaded when it is not kept. Only within `run`. Raises ModelError, of a server for one it may not open."""
        if isinstance(model, str):
            name = model or self.settings.model
            model = self.models.get(name) or ModelRequest(name)
        request, allowed = model, self.settings.models
        if self.served and allowed and request.name not in allowed:
            raise ModelError(f"'{request.name}' is not among the models this server opens: {', '.join(allowed)} (CODI_MODELS).")
        return self._engines.get(request, lambda: Engine(load_model(request, self.settings)), make_room=self._make_room)

    @property
    def kept(self) -> dict[str, int]:
        """How much is kept, by what it is. A glance from any thread."""
        return {
            "models": len(self._engines),
            "rollouts": len(self._rollouts),
            "lenses": len(self._lenses),
            "steered prompts": len(self.probes),
            "patched pairs": len(self.pairs),
            "eval sets": len(self.prepared),
            "directions": len(self.directions),
        }

    def _make_room(self) -> None:
        """What was computed with a model keeps it alive: let it go when a model has to leave."""
        self.prepared, self.probes = LruCache(PREPARED_KEPT), LruCache(PROBES_KEPT)
        self.pairs = LruCache(PAIRS_KEPT)
        self.forget_lenses()
        free_cached_memory()

    def prepared_set(self, engine: Engine, eval_set: EvalSetSpec, questions: tuple[Question, ...], config: RolloutConfig) -> PreparedSet:
        """Questions with their prompts and latents, kept between conditions. Only within `run`. Raises as `PreparedSet`."""
        key = (engine.model.spec.key, eval_set, config)
        return self.prepared.get(key, lambda: PreparedSet(engine, questions, config, self._room(engine)))

    def _room(self, engine: Engine) -> int | None:
        """Bytes for the prompts of one more set: a server's CPU keeps PREPARED_BYTES of all of them; elsewhere see PreparedSet."""
        if not self.served or engine.model.device.type != "cpu":
            return None
        free = int(available_memory(engine.model.device) * KEPT_SHARE)
        return max(0, min(free, PREPARED_BYTES - sum(kept.bytes_kept for kept in self.prepared)))

    def rollout(self, engine: Engine, question: str, config: RolloutConfig, check_cancelled: CheckCancelled) -> Rollout:
        """One recorded rollout; the latest are kept, so that another lens or token costs no second one. Only within `run`."""
        key = (engine.model.spec.key, question, config)
        return self._rollouts.get(key, lambda: engine.rollout([question], config, check_cancelled=check_cancelled)[0])

    def lens(self, engine: Engine, name: str) -> Lens:
        """A lens of this model by name. Only within `run`. Raises LensError."""
        return self._lenses.get((engine.model.spec.key, name), lambda: load_lens(engine.model, name, self.settings))

    def forget_lenses(self) -> None:
        """After one was made anew. Only within `run`."""
        self._lenses, self.directions = LruCache(LENSES_KEPT), LruCache(DIRECTIONS_KEPT)  # of tokens, some are made from lenses

    def close(self) -> None:
        self.worker.close()


def model_names() -> tuple[str, ...]:
    """Presets, the models that ship with the repository first."""
    return tuple(sorted(PRESETS, key=lambda name: PRESETS[name].hub_id is not None))
