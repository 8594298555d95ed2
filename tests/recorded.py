"""What the command line printed at 32308a4, before the redesign: no number may move without being named in the changelog.

    python -m tests.recorded        writes tests/recorded.json anew: only where a change of numbers is meant

Written anew since for one limit on the length of answers everywhere (keys of conditions, sweeps and early stops, answers of early
stops), for one estimate of every mean (intervals, p, effective n, sentences), for bands of a cell's own length (the sweep), and for what
became of answers (names of outcomes, sentences).

Long arrays are kept as their shape and a few of their numbers.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")
TEAM = (
    "A team starts with 3 members. They recruit 5 new members. Then each current member recruits 2 additional people. How many people "
    "are there now on the team? Give the answer only and nothing else."
)
MEANS = ["--means-n", "60"]
SET = ["--eval-set", "templates", "--n", "30"]
KV = "kv source=difference a=2 b=4 coefficient=2 indices=3"
COMMANDS: dict[str, list[str]] = {
    "lens": ["lens", "--prompt", TEAM, "--lens", "logit", "--lens", "tuned:all", "--track", "therefore"],
    "lens of the plain model": ["lens", "--model", "bundled", "--prompt", TEAM, "--lens", "tuned:odd", "--passes", "3"],
    "steer kv": ["steer", "--prompt", TEAM, "--condition", KV, "--lens", "tuned:all", *MEANS],
    "steer hidden, as in the post": [
        "steer",
        "--prompt",
        TEAM,
        "--condition",
        "hidden source=difference a=1 b=4 coefficient=-1 indices=2 then=stop vector_space=h",
        *MEANS,
    ],
    "steer resid, two at once": [
        "steer",
        "--prompt",
        TEAM,
        "--condition",
        "hidden source=component rank=1 coefficient=3 indices=1,2 space=resid layer=2 + kv source=content index=3 value=16 coefficient=1 "
        "indices=4 layers=0,1 heads=0 key_weight=0.5",
        *MEANS,
    ],
    "steer by replacement": ["steer", "--prompt", TEAM, "--condition", "replacement by=resample indices=3 space=kv seed=2", *MEANS],
    "vector": ["vector", "--source", "random like=difference a=2 b=5 seed=3 matched=covariance", "--space", "kv", *MEANS],
    "eval": ["eval", *SET, "--model", "bundled", "--fresh"],
    "eval as it ships": ["eval", "--eval-set", "templates", "--n", "1000"],
    "eval of a condition": ["eval", *SET, "--condition", KV, "--controls", "3", *MEANS],
    "eval against all passes": [
        "eval",
        *SET,
        "--condition",
        "hidden source=shuffled a=1 b=3 coefficient=1.5 indices=2 then=stop",
        "--against",
        "all",
        *MEANS,
    ],
    "compare": ["compare", *SET, "--a", "replacement by=zero indices=2", "--b", "replacement by=mean indices=2", *MEANS],
    "detect": ["detect", *SET, "--lens", "tuned:all"],
    "ablate": ["ablate", *SET, "--by", "mean", "--space", "kv", *MEANS],
    "early stop": ["ablate", *SET, "--early-stop"],
    "one prompt taken apart": ["ablate", "--prompt", TEAM, "--draws", "20", "--space", "z", *MEANS],
    "geometry": ["geometry", "--space", "v", "--layer", "1", "--means-n", "60"],
    "sweep": [
        "sweep",
        *SET,
        "--preset",
        "corrected-kv",
        "--means-n",
        "60",
        "--randoms",
        "2",
        "--shuffled",
        "1",
        "--only",
        "kv-corrected:2:4:5:0.5",
        "--only",
        "kv-corrected:1:6:3:-2",
    ],
}
LONG = 48
"""Numbers of an array that are kept whole."""


def printed(command: list[str], cache: Path) -> Any:
    """What a command prints as JSON, in float32 on the CPU, everything it needs made anew under ``cache`` unless it ships."""
    from codi_core.cli import main

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main([*command, "--device", "cpu", "--dtype", "float32", "--cache-dir", str(cache), "--json"])
    assert code == 0
    return short(json.loads(out.getvalue()))


def short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: short(item) for name, item in value.items() if name not in ("milliseconds", "created", "code")}
    if not isinstance(value, list):
        return value
    flat = leaves(value)
    if len(flat) <= LONG or not all(isinstance(leaf, (int, float, str)) or leaf is None for leaf in flat):
        return [short(item) for item in value]
    return {"shape": shape(value), "some": [flat[place * (len(flat) - 1) // (LONG - 1)] for place in range(LONG)]}


def leaves(value: Any) -> list[Any]:
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]


def shape(value: Any) -> list[int]:
    return [len(value), *(shape(value[0]) if value else [])] if isinstance(value, list) else []


def differences(now: Any, then: Any, path: str = "") -> list[str]:
    """Where two printed values differ by more than rounding on another machine; names that were added do not count."""
    if isinstance(then, dict):
        if not isinstance(now, dict):
            return [f"{path}: {now!r:.60} instead of {then!r:.60}"]
        return [line for name, item in then.items() for line in differences(now.get(name), item, f"{path}/{name}")]
    if isinstance(then, list):
        if not isinstance(now, list) or len(now) != len(then):
            return [f"{path}: {now!r:.60} instead of {then!r:.60}"]
        return [line for place, pair in enumerate(zip(now, then, strict=True)) for line in differences(*pair, f"{path}[{place}]")]
    if isinstance(then, float) and isinstance(now, (int, float)):
        same = math.isclose(now, then, rel_tol=2e-3, abs_tol=2e-4)
    else:
        same = now == then
    return [] if same else [f"{path}: {now!r:.60} instead of {then!r:.60}"]


def record() -> None:
    with tempfile.TemporaryDirectory() as cache:
        found = {name: printed(command, Path(cache)) for name, command in COMMANDS.items()}
    FILE.write_text(json.dumps(found, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    record()
