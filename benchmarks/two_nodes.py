"""``python -m benchmarks.two_nodes``: a sweep on two Ray nodes of this machine, of which one is killed on the way.

Its table has to be the local one, byte for byte. Needs Ray (requirements-cluster.txt). Exits with 1 when a promise is broken.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from codi_core.backend import cluster as clusters
from codi_core.services.shared.requests import SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.on_ray import sweep_by
from codi_core.services.sweeps.run import sweep
from codi_core.settings import Settings
from codi_core.store import Store
from codi_core.sweeps.local import SweepProgress

MODEL = "bundled-steps"
ONLY = tuple(("kv-as-in-the-post", a, b, index, 2.0) for a in range(1, 5) for b in range(a + 1, 7) for index in (1, 3, 5))
REQUEST = SweepRequest(MODEL, "post-kv", "bundled", 40, randoms=1, shuffled=1, means_n=50, only=ONLY)
PATIENCE = 20.0
"""Seconds after which a node counts as gone; 300 otherwise."""


def table(store: Store, key: str) -> bytes:
    return store.read("sweeps", key).file("rows.parquet").read_bytes()


def checks(folder: Path) -> Iterator[tuple[str, bool]]:
    settings = Settings(cache_dir=folder / "near", model=MODEL, device="cpu", dtype="float32", threads=1)
    bench = Workbench(settings)
    expected = sweep(bench, REQUEST)
    bench.close()
    ray = clusters.load_ray()  # before anything of it is imported: with a token where there is one
    nodes = importlib.import_module("ray.cluster_utils").Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = nodes.add_node(num_cpus=1)
    asked = replace(settings, cache_dir=folder / "far", ray_address=nodes.address, workers=2)
    actors, done = clusters.Cluster(asked, Workbench), list[int]()
    yield "a worker on each node", len({actors.call(place, node_of) for place in range(2)}) == 2

    def on_progress(progress: SweepProgress) -> None:
        done.append(progress.done)
        if len(done) == 2:
            nodes.remove_node(second, allow_graceful=False)

    start, far = time.monotonic(), Store(asked)
    found = sweep_by(actors, far, REQUEST, on_progress)
    print(f"{len(done)} units, {time.monotonic() - start:.0f} s")
    yield "one node is left", _until(lambda: sum(node["Alive"] for node in ray.nodes()) == 1)
    yield "the sweep is complete", found.cells.equals(expected.cells)
    yield "and the local one, byte for byte", table(far, found.key) == table(Store(settings), expected.key)
    actors.close()
    nodes.shutdown()


def _until(holds: Callable[[], bool]) -> bool:
    """Ray takes a while to call a node dead."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not holds():
        time.sleep(1)
    return holds()


def node_of(held: Workbench) -> str:
    return str(clusters.load_ray().get_runtime_context().get_node_id())


def main() -> None:
    clusters.PATIENCE = PATIENCE
    with tempfile.TemporaryDirectory() as folder:
        found = list(checks(Path(folder)))
    for promise, held in found:
        print("held  " if held else "BROKEN", promise)
    sys.exit(not all(held for _, held in found))


if __name__ == "__main__":
    main()
