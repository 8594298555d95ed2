"""Objects that live in Ray actors, on this machine or many, called from here. The only file that knows Ray, which is optional.

Functions travel by name, arguments and results by value. Ray restarts an actor that died, and a call that was lost with it is made again:
so only what may be done twice is called.
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from codi_core.backend.worker import ON_WAIT_SECONDS
from codi_core.errors import Cancelled, CodiError, SettingsError, WorkerDied, WorkerLost
from codi_core.settings import ROOT, Settings
from codi_core.version import code_version

Held = TypeVar("Held")
Value = TypeVar("Value")

REQUIREMENTS = "requirements-cluster.txt"
CALLS_AT_ONCE = 64
"""Per actor: viewers whose requests wait in its line."""
TRIES = 3
"""Of one call, when actors die over it."""
PATIENCE = 300.0
"""Seconds until an actor must have imported torch and answer: at the start, and again after it was lost."""
PULSE_SECONDS = 5.0
"""How often an actor that works is asked whether it is there."""
OBJECT_STORE_BYTES = 512 * 2**20
"""Of a Ray started here: what crosses is small, and Ray's own choice would be a third of the memory."""


class Cluster(Generic[Held]):
    """``size`` actors, each holding what ``make`` returned there: one a GPU of the cluster, or ``settings.workers`` of them."""

    def __init__(self, settings: Settings, make: Callable[[Settings], Held]) -> None:
        """``make`` is called with the settings, in every actor. Raises SettingsError without Ray, cluster, room, or the same code there."""
        self._ray = load_ray()
        self._started = _connect(self._ray, settings)
        self._actors: list[Any] = []
        try:
            self.size, resources = _room(self._ray, settings)
            holder = self._ray.remote(_Holder).options(
                **resources,
                max_restarts=-1,
                max_task_retries=TRIES - 1,
                max_concurrency=CALLS_AT_ONCE,
                runtime_env={"env_vars": _environment()},
            )
            self._actors = [holder.remote(make, settings) for _ in range(self.size)]
            self._await_actors()
        except BaseException:
            self.close()
            raise

    def call(
        self, worker: int, function: Callable[..., Value], /, *args: Any, on_wait: Callable[[], None] | None = None, **kwargs: Any
    ) -> Value:
        """``function(held, *args, **kwargs)`` in actor ``place`` (taken modulo ``size``). Raises what it raises.

        With ``on_wait``, which is called every 50 ms while waiting, the function is given one too, under the same name. Whatever
        ``on_wait`` raises here cancels the call there, as does an interrupt. Raises WorkerDied when the actor died TRIES times, WorkerLost
        when it does not come back.
        """
        reference = self._actor(worker).call.remote(function, args, kwargs, on_wait is not None)
        with self._cancelling(reference):
            self._wait(worker, reference, on_wait)
        value: Value = self._value(reference)
        return value

    def stream(
        self, worker: int, function: Callable[..., Iterator[Value]], /, *args: Any, on_wait: Callable[[], None] | None = None, **kwargs: Any
    ) -> Iterator[Value]:
        """The values of a generator function as they come; closing the iterator cancels the work there.

        When the actor dies it starts again from the first value.
        """
        for left in reversed(range(TRIES)):
            try:
                yield from self._stream(worker, (function, args, kwargs, on_wait is not None), on_wait)
                return
            except WorkerDied:
                if not left:
                    raise
                self._wait(worker, self._actor(worker).code.remote(), on_wait)  # until it is back

    def close(self) -> None:
        """End the actors, and Ray if it was started or joined for them."""
        for actor in self._actors:
            self._ray.kill(actor)
        if self._started:
            self._ray.shutdown()

    def _stream(self, worker: int, request: tuple[Any, ...], on_wait: Callable[[], None] | None) -> Iterator[Any]:
        options = {"num_returns": "streaming", "max_task_retries": 0, "_generator_backpressure_num_objects": 1}
        results = self._actor(worker).stream.options(**options).remote(*request)
        try:
            while True:
                self._wait(worker, results, on_wait)
                try:
                    reference = next(results)
                except StopIteration:
                    return
                yield self._value(reference)
        finally:
            self._ray.cancel(results)  # changes nothing when it is done

    def _actor(self, worker: int) -> Any:
        return self._actors[worker % self.size]

    def _wait(self, worker: int, waitable: Any, on_wait: Callable[[], None] | None) -> None:
        """Raises WorkerLost when the actor has not answered for long: Ray itself waits for ever for a machine to put it on."""
        asked = seen = time.monotonic()
        pulse = None
        while not self._ray.wait([waitable], timeout=ON_WAIT_SECONDS if on_wait else PULSE_SECONDS)[0]:
            if on_wait:
                on_wait()
            now = time.monotonic()
            if now - seen > PATIENCE:
                raise WorkerLost(f"A Ray worker has not answered for {PATIENCE:.0f} s, and there is no place to start it again.")
            if now - asked > PULSE_SECONDS and (pulse is None or self._ray.wait([pulse], timeout=0)[0]):
                seen = now if pulse is None or self._answered(pulse) else seen
                pulse, asked = self._actor(worker).code.remote(), now

    def _answered(self, pulse: Any) -> bool:
        try:
            self._ray.get(pulse)
        except self._ray.exceptions.RayActorError:
            return False
        return True

    @contextmanager
    def _cancelling(self, reference: Any) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._ray.cancel(reference)
            raise

    def _value(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, CodiError):
                raise error.cause from error
            raise
        except self._ray.exceptions.TaskCancelledError as error:
            raise Cancelled("The work was cancelled.") from error
        except self._ray.exceptions.RayActorError as error:
            raise WorkerDied(
                f"A Ray worker died over its work ({str(error).splitlines()[0]}). Its log is under /tmp/ray/session_latest/logs on its "
                "machine; one that ran out of memory needs a smaller model, or fewer workers a machine."
            ) from error

    def _await_actors(self) -> None:
        """Raises SettingsError when they cannot all be placed or run other code than this process: then their numbers would not be ours."""
        waiting = [actor.code.remote() for actor in self._actors]
        _, late = self._ray.wait(waiting, num_returns=self.size, timeout=PATIENCE)
        if late:
            raise SettingsError(
                f"{len(late)} of {self.size} Ray workers did not start within {PATIENCE:.0f} s: something else may be using the "
                "cluster ('ray status' shows it). Ask for fewer (CODI_WORKERS, --workers), or wait until it is free."
            )
        here = code_version()
        there = {version for reference in waiting if (version := self._value(reference)) != here}
        if there:
            raise SettingsError(
                f"The Ray workers run other code ({', '.join(sorted(there))}) than this process ({here}): bring {ROOT} to the same commit "
                "on every machine, then start again."
            )


class _Holder:
    """Inside an actor."""

    def __init__(self, make: Callable[[Settings], Any], settings: Settings) -> None:
        self._held = make(replace(settings, backend="local"))

    def code(self) -> str:
        return code_version()

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], poked: bool) -> Any:
        return function(self._held, *args, **kwargs, **_pokes(poked))

    def stream(self, function: Callable[..., Iterator[Any]], args: tuple[Any, ...], kwargs: dict[str, Any], poked: bool) -> Iterator[Any]:
        yield from function(self._held, *args, **kwargs, **_pokes(poked))


def _pokes(poked: bool) -> dict[str, Callable[[], None]]:
    """What a function in an actor is poked with: it leaves when the call was cancelled."""
    context = load_ray().get_runtime_context()

    def on_wait() -> None:
        if context.is_canceled():
            raise Cancelled("The viewer left.")

    return {"on_wait": on_wait} if poked else {}


def load_ray() -> Any:
    """The module. Raises SettingsError when it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if (Path.home() / ".ray" / "auth_token").is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # a cluster started where there is a token asks for it; Ray offers it only if told
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise SettingsError(f"Ray is not installed ({error}): run '.venv/bin/pip install -r {REQUIREMENTS}', or use no Ray.") from error


def _connect(ray: Any, settings: Settings) -> bool:
    """False when this process was connected before."""
    if ray.is_initialized():
        return False
    address = settings.ray_address
    _check_address(address)
    try:
        try:
            ray.init(address=address or "local", logging_level=logging.WARNING, **({} if address else _own(settings)))
        except Exception:  # its helpers have 15 s to import everything, too little where nothing is in the disk's cache yet
            if address:
                raise
            ray.init(address="local", logging_level=logging.WARNING, **_own(settings))
    except Exception as error:  # Ray raises bare Exceptions too
        what = f"No Ray cluster answers at '{address}'" if address else "Ray could not be started here"
        raise SettingsError(
            f"{what} ({str(error).splitlines()[0]}): start one with 'ray start --head', or 'ray start --address=HEAD:6379' on a machine "
            "that is to join one, and set CODI_RAY_ADDRESS=auto there."
        ) from error
    return True


def _own(settings: Settings) -> dict[str, Any]:
    """How a Ray is started here; Ray writes into the dictionary."""
    return {
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
        "num_cpus": max(os.cpu_count() or 1, settings.workers * (settings.threads or 1)),
        "_system_config": {"worker_register_timeout_seconds": int(PATIENCE)},
    }


def _check_address(address: str) -> None:
    """Ray takes half a minute to find out that nobody listens."""
    if address.startswith("ray://"):
        raise SettingsError(
            f"CODI_RAY_ADDRESS is '{address}': results cannot stream through a Ray client. Let this machine join the cluster "
            "('ray start --address=HEAD:6379 --num-cpus=0'), and give auto as the address."
        )
    host, _, port = address.rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"No Ray cluster answers at '{address}' ({error}): give the HOST:PORT that 'ray start --head' printed, or auto."
        ) from error


def _room(ray: Any, settings: Settings) -> tuple[int, dict[str, int]]:
    """How many actors, and what each takes. Raises SettingsError when there is no room for as many as are wanted."""
    there, threads = ray.cluster_resources(), settings.threads or 1
    gpus, cpus = (int(there.get(name, 0)) for name in ("GPU", "CPU"))
    gpus = 0 if settings.device == "cpu" else gpus
    wanted, room = settings.workers or gpus or 1, gpus or cpus // threads
    if wanted > room:
        each = "a GPU" if gpus else f"{threads} CPU{'s' * (threads > 1)}"
        raise SettingsError(
            f"{wanted} Ray workers were asked for; with {each} each, the cluster ({gpus} GPUs, {cpus} CPUs) has room for {room}: "
            "ask for fewer (CODI_WORKERS, --workers), or add machines."
        )
    return wanted, {"num_cpus": threads, "num_gpus": 1} if gpus else {"num_cpus": threads}


def _environment() -> dict[str, str]:
    """Of the actors' processes: this tree's code, and what `app.py` sets before torch is imported."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "OMP_WAIT_POLICY": "PASSIVE", "RAY_USAGE_STATS_ENABLED": "0"}
