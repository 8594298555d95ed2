"""``python -m benchmarks.profile``: where the processor's time goes; writes its part of docs/performance.md.

A thread looks every few milliseconds at what the others are doing and gives what the process has used since to the first place of LAYERS
that a stack, read from its innermost frame, comes to. Waiting threads use nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import FrameType

from streamlit.testing.v1 import AppTest

from benchmarks import sweeps
from benchmarks.__main__ import AB, processor
from benchmarks.sections import rewrite
from benchmarks.startup import DOCUMENT
from codi_core.problems.generate import generate
from codi_core.services.effects import evaluate_condition
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.shared.requests import ConditionRequest, MeansRequest
from codi_core.settings import ROOT
from codi_core.steering.kv import KV
from codi_core.version import code_version

HEADING = "## Where the time goes"
SECONDS = 0.004
"""Between two looks."""
TOP = 6
"""Functions named of every job."""
SHARE = 0.01
"""Smaller parts are left out."""
LAYERS = (
    ("importlib", "imports"),
    ("torch/nn/modules/linear.py", "matrix products of layers and head"),
    ("codi_core/engine/cache.py attend", "attention"),
    ("codi_core/engine/cache.py _", "attention"),
    ("codi_core/engine/cache.py", "copies of keys and values"),
    ("codi_core/models/tokenizer", "text to and from tokens"),
    ("tokenizers", "text to and from tokens"),
    ("codi_core/models", "norms, rotations, activations"),
    ("codi_core/evaluation/stats.py", "statistics"),
    ("codi_core/sweeps/table.py", "statistics"),
    ("codi_core/evaluation/effects.py", "statistics"),
    ("codi_core/engine", "passes and decoding"),
    ("codi_core/evaluation/speculative.py", "answers: logits, scores, what is settled"),
    ("codi_core/evaluation", "answers: outcomes"),
    ("codi_core/problems", "questions and answer rules"),
    ("codi_core/steering", "edits and directions"),
    ("codi_core/lenses", "lens read-outs"),
    ("codi_core/store.py", "storage"),
    ("codi_core/disk.py", "storage"),
    ("codi_core/sweeps", "storage"),
    ("codi_core/figures", "figures"),
    ("codi_core/ui", "the page's script"),
    ("codi_core", "services"),
    ("streamlit", "Streamlit"),
)
"""Part of a file's name and of a function's → what it is, the first that fits; for its innermost frame that any fits."""
IDLE = ("threading.py", "queue.py", "selectors.py", "socket.py", "connection.py", "profile.py", "local_script_runner.py")
"""Files in whose functions threads wait."""


class Profile:
    """Processor seconds by layer and by function while entered."""

    def __init__(self) -> None:
        self.layers: Counter[str] = Counter()
        self.functions: Counter[str] = Counter()
        self._stop = threading.Event()

    def __enter__(self) -> Profile:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._before = sys.getswitchinterval()
        sys.setswitchinterval(SECONDS / 8)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        sys.setswitchinterval(self._before)

    @property
    def seconds(self) -> float:
        return sum(self.layers.values())

    def _look(self) -> None:
        last = time.process_time()
        while not self._stop.wait(SECONDS):
            frames = [frame for thread, frame in sys._current_frames().items() if thread != threading.get_ident()]
            busy = [frame for frame in frames if not frame.f_code.co_filename.endswith(IDLE)]
            now = time.process_time()
            for frame in busy:
                layer, function = placed(frame)
                self.layers[layer] += (now - last) / len(busy)
                self.functions[function] += (now - last) / len(busy)
            last = now


def placed(frame: FrameType) -> tuple[str, str]:
    """The layer of a stack, and its innermost function that is ours."""
    names = [f"{one.f_code.co_filename} {one.f_code.co_name}" for one in stack(frame)]
    layer = next((layer for name in names for part, layer in LAYERS if part in name), "other")
    own = next((name for name in names if "/codi_core/" in name), names[0])
    return layer, own.rpartition("/codi_core/")[2].rpartition("/site-packages/")[2]


def stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.profile", description=__doc__)
    parser.add_argument("model", nargs="?", default="bundled")
    parser.add_argument("--n", type=int, default=200, help="questions (default 200)")
    parser.add_argument("--every", type=int, default=sweeps.FEW, metavar="K", help="every K-th pair of the sweep's grid (default 15: one)")
    parser.add_argument("--dry", action="store_true", help="print only, write nothing")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"CODI_CACHE_DIR": folder, "CODI_MODEL": args.model}
        parts = [section(title, *work) for title, work in jobs(args.model, args.n, args.every, folder).items()]
    about = (
        f"Written by `python -m benchmarks.profile`: model `{args.model}`, code `{code_version()}`, {processor()}. Processor time by\n"
        "what was at work when a thread looked every few milliseconds; loading, means and preparation are part of the sweep alone."
    )
    text = "\n".join([HEADING, "", about, *parts])
    print(text)
    if not args.dry:
        rewrite(DOCUMENT, text)


def jobs(model: str, n: int, every: int, folder: str) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """By title: what is done before, and what is measured."""
    bench, texts = sweeps.opened(model, folder), [problem.question for problem in generate("test", 21, 7)]
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)

    def slide(*coefficients: float) -> None:
        for coefficient in coefficients:
            method = KV(AB, coefficient, (5,), then="stop")
            list(evaluate_condition(bench, ConditionRequest(model, (method,), n=n, means=MeansRequest(n=200)), "bench"))

    def read(*prompts: str) -> None:
        for text in prompts:
            inspect(bench, InspectRequest(model, text, lenses=("logit", "tuned:all")), "bench")

    def visit(*prompts: str) -> None:
        for text in prompts:
            page.query_params["prompt"] = text
            page.session_state["goto"] = ("pages/inspect.py", {"prompt": text})
            assert not page.run().exception

    return {
        f"A sweep, one pair in {every} of `post-kv` × {n} questions, with statistics and storage": (
            lambda: None,
            lambda: sweeps.run(model, n, every),
        ),
        f"Six moves of the slider over {n} questions": (lambda: slide(0.3), lambda: slide(0.7, 1.1, 1.3, 1.7, 1.9, 2.3)),
        "Twenty prompts → logit-lens and tuned-lens grids": (lambda: read(texts[0]), lambda: read(*texts[1:])),
        "Three visits of the Inspect page, a new prompt each": (lambda: visit(texts[0]), lambda: visit(*texts[1:4])),
    }


def section(title: str, before: Callable[[], object], work: Callable[[], object]) -> str:
    before()
    with Profile() as found:
        work()
    rows = [
        f"| {layer} | {seconds / found.seconds:.0%} |" for layer, seconds in found.layers.most_common() if seconds >= SHARE * found.seconds
    ]
    top = ", ".join(f"`{name}` {seconds / found.seconds:.0%}" for name, seconds in found.functions.most_common(TOP))
    return "\n".join(["", f"### {title}", "", f"{found.seconds:.1f} s. Functions: {top}.", "", "| | share |", "|---|---|", *rows, ""])


if __name__ == "__main__":
    main()
