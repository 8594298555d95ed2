"""``python -m benchmarks.soak [--minutes 10] [--viewers 20]``: real websocket sessions on a server like `make run`'s; writes docs/soak.md.

Everything that the viewers ask for is asked of another server first, with a cache of its own, by one visitor who is alone there. What the
viewers then read, while they interrupt, reload and leave each other and the server is killed once, must be the same, letter for letter.
Exits with 1 when an answer differs, an error is shown, a visit is lost, or work outlives its viewers.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlencode

import numpy as np

from benchmarks.sessions import LOST, PATIENCE, Server, Tab, Visit, serving
from codi_core.problems.generate import generate
from codi_core.settings import ROOT

DOCUMENT = ROOT / "docs" / "soak.md"
MODEL = "bundled-steps"
OWN = "A file of your own …"
"""As the picker of eval sets has it."""
UPLOADER = "Columns question and answer (or input and target)"
LEFT_SECONDS = 2.0
"""Within which the work of closed tabs must have ended."""
INSPECT_P95 = 3.0
KINDS = {"inspect": 12, "steer": 3, "heatmaps": 2, "detect": 1}
"""What is visited, and how often."""
PAUSE = 3.0
"""Mean seconds between two visits of a viewer."""
HEAD = """# Twenty viewers

Written by `python -m benchmarks.soak`: {viewers} websocket sessions speak for {minutes} minutes to a server as `make run` starts it, as
browsers do, with {pause:g} s between visits on average. Every answer and accuracy that a page says is compared with the one that a visitor
got who was alone on another server with an empty cache. One visit in ten is left while its page is on its way, one in ten comes after a
reload, one in twenty brings a file of its own; half-way the server is killed (`kill -9`) and started again.

* {cpu}, {cores} cores, load average {load:.1f}

| visit | complete | median | 95 % within | slowest |
|---|---|---|---|---|
{rows}

| | |
|---|---|
| complete visits | {count} |
| other than alone | {wrong} |
| errors shown | {errors} |
| lost, but for those at the server that was killed | {lost} |
| left on the way, reloads, restarts | {left}, {reloads}, {restarts} |
| 95 % of inspects within (target {target:g} s) | {p95} s |
| after {viewers} tabs with long work were closed at once, nothing was in line after (target {target_left:g} s) | {outlived} s |
| memory after the restart, first and second half (medians) | {early} MB, {late} MB |
| threads, open files | {threads}, {files} |
"""


class Held(NamedTuple):
    """By the server's process."""

    minute: float
    megabytes: int
    threads: int
    files: int


@dataclass
class Tally:
    """Of everything that happened."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Of complete visits, by kind."""
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    left: int = 0
    reloads: int = 0
    restarts: int = 0
    held: list[Held] = field(default_factory=list)
    outlived: float = 0.0
    """Seconds until nothing was in line after the last viewer had gone."""


def visits() -> list[Visit]:
    """What the viewers ask for: prompts, pushes, and pages of stored results."""
    prompts = [problem.question for problem in generate("test", 24, seed=9)]
    looks = [Visit("inspect", "", urlencode({"model": MODEL, "prompt": prompt, "intro": "closed"})) for prompt in prompts]
    pushes = [
        Visit("steer", "steer", urlencode({"model": MODEL, "prompt": prompts[place], "steer": text, "n": 50, "controls": 20}))
        for place, text in enumerate(
            f"kv source=difference a={a} b={b} coefficient={alpha} indices={index}"
            for a, b, alpha, index in ((2, 4, 1.0, 3), (2, 4, -1.0, 5), (1, 3, 0.5, 5), (5, 2, 2.0, 4))
        )
    ]
    stored = [Visit("heatmaps", "heatmaps", f"model={MODEL}"), Visit("detect", "detect", f"model={MODEL}")]
    return [*looks, *pushes, *stored]


async def upload(tab: Tab, number: int, tally: Tally) -> None:
    """A file of one's own through the Data page's uploader: the page is to say how many questions it has, whoever asks what meanwhile."""
    start, count = time.monotonic(), 3 + number % 50
    content = "question,answer\n" + "".join(f"What is {number} plus {k}?,{number + k}\n" for k in range(count))
    await tab.visit(Visit("data", "data", f"model={MODEL}"))
    view = await tab.upload("Eval set", OWN, UPLOADER, "mine.csv", content.encode())
    tally.seconds.setdefault("upload", []).append(time.monotonic() - start)
    tally.errors += view.errors
    if not any(text.replace("\\", "").startswith(f"mine.csv · {count} questions ") for text in view.texts):
        tally.wrong.append(f"upload of {count} questions: {view.texts}")


async def alone(log: Path) -> dict[Visit, dict[str, str]]:
    """What each visit says to one visitor."""
    async with serving(log) as server:
        tab, expected = Tab(server.port), {}
        for visit in visits():
            view = await tab.visit(visit)
            assert not view.errors, (visit, view.errors)
            assert view.said or visit.kind in ("heatmaps", "detect"), (visit, "nothing was said")
            expected[visit] = view.said
        await tab.close()
        return expected


async def viewer(server: Server, expected: dict[Visit, dict[str, str]], tally: Tally, until: float, seed: int) -> None:
    """Comes, asks, waits a while; now and then leaves in the middle, reloads, or brings a file."""
    draw, tab = random.Random(seed), Tab(server.port)
    while time.monotonic() < until:
        visit = _drawn(draw, expected)
        try:
            await _one(draw, tab, visit, expected[visit], tally)
        except LOST as error:
            if server.up and tab.opened > server.since:  # not to the server that was killed
                tally.lost.append(f"{visit}: {error!r}")
            await tab.close()
            await server.back.wait()
        await asyncio.sleep(draw.expovariate(1 / PAUSE))
    await tab.close()


def _drawn(draw: random.Random, expected: dict[Visit, dict[str, str]]) -> Visit:
    (kind,) = draw.choices(list(KINDS), list(KINDS.values()))
    return draw.choice([visit for visit in expected if visit.kind == kind])


async def _one(draw: random.Random, tab: Tab, visit: Visit, expected: dict[str, str], tally: Tally) -> None:
    chance = draw.random()
    if chance < 0.1:  # closed while its page is on its way
        await tab.ask(visit)
        await asyncio.sleep(draw.uniform(0.0, 1.5))
        await tab.close()
        tally.left += 1
        return
    if chance < 0.2:
        await tab.close()
        tally.reloads += 1
    elif chance < 0.25:
        await upload(tab, draw.randrange(1_000), tally)
    view = await tab.visit(visit)
    tally.seconds.setdefault(visit.kind, []).append(view.seconds)
    tally.errors += view.errors
    if view.said != expected:
        tally.wrong.append(f"{visit}: {view.said} instead of {expected}")


async def watch(server: Server, tally: Tally, until: float, minutes: float) -> None:
    """Looks at the server twelve times a minute, and kills it once, half-way."""
    start = time.monotonic()
    while time.monotonic() < until:
        if not tally.restarts and time.monotonic() - start > minutes * 30:
            tally.restarts += 1
            await server.restart()
        tally.held.append(Held((time.monotonic() - start) / 60, *server.held()))
        await asyncio.sleep(5)


async def soak(expected: dict[Visit, dict[str, str]], minutes: float, viewers: int, log: Path) -> Tally:
    tally = Tally()
    async with serving(log) as server:
        until = time.monotonic() + minutes * 60
        await asyncio.gather(
            watch(server, tally, until, minutes), *(viewer(server, expected, tally, until, seed) for seed in range(viewers))
        )
        tally.outlived = await _until_idle(server, viewers)
    return tally


async def _until_idle(server: Server, viewers: int) -> float:
    """Everybody asks for long work and goes at once. Seconds until nothing is left of it."""
    tabs = [Tab(server.port) for _ in range(viewers)]
    for place, tab in enumerate(tabs):
        steer = f"kv source=difference a=2 b=3 coefficient={1 + place / 100} indices=4"
        await tab.ask(Visit("steer", "steer", urlencode({"model": MODEL, "steer": steer, "n": 1_000, "controls": 100})))
    await asyncio.sleep(3.0)
    await asyncio.gather(*(tab.close() for tab in tabs))
    start = time.monotonic()
    while await server.line() and time.monotonic() - start < PATIENCE:
        await asyncio.sleep(0.1)
    return time.monotonic() - start


def faults(tally: Tally) -> list[str]:
    late = [f"work outlived its viewers by {tally.outlived:.1f} s"] if tally.outlived > LEFT_SECONDS else []
    return [
        *(f"wrong: {text}" for text in tally.wrong),
        *(f"error: {text}" for text in tally.errors),
        *(f"lost: {text}" for text in tally.lost),
        *late,
    ]


def document(tally: Tally, minutes: float, viewers: int) -> str:
    count = sum(map(len, tally.seconds.values()))
    early, late = (median(held.megabytes for held in part) for part in _halves([h for h in tally.held if h.minute > minutes / 2]))
    rows = [
        f"| {kind} | {len(times):,} | {median(times):.2f} s | {np.percentile(times, 95):.2f} s | {max(times):.2f} s |"
        for kind, times in sorted(tally.seconds.items())
    ]
    return HEAD.format(
        cpu=platform.processor() or platform.machine(),
        cores=os.cpu_count(),
        load=os.getloadavg()[0],
        minutes=f"{minutes:g}",
        viewers=viewers,
        rows="\n".join(rows),
        count=f"{count:,}",
        wrong=len(tally.wrong),
        errors=len(tally.errors),
        lost=len(tally.lost),
        left=tally.left,
        reloads=tally.reloads,
        restarts=tally.restarts,
        p95=f"{np.percentile(tally.seconds['inspect'], 95):.2f}",
        target=INSPECT_P95,
        target_left=LEFT_SECONDS,
        pause=PAUSE,
        outlived=f"{tally.outlived:.1f}",
        early=f"{early:,.0f}",
        late=f"{late:,.0f}",
        threads=f"{min(h.threads for h in tally.held)} to {max(h.threads for h in tally.held)}",
        files=f"{min(h.files for h in tally.held)} to {max(h.files for h in tally.held)}",
    )


def _halves(held: list[Held]) -> tuple[list[Held], list[Held]]:
    return held[: len(held) // 2], held[len(held) // 2 :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="(default 10)")
    parser.add_argument("--viewers", type=int, default=20, help="(default 20)")
    args = parser.parse_args()
    with tempfile.NamedTemporaryFile(suffix=".log", delete=False) as file:
        log = Path(file.name)
    expected = asyncio.run(alone(log))
    tally = asyncio.run(soak(expected, args.minutes, args.viewers, log))
    text = document(tally, args.minutes, args.viewers)
    DOCUMENT.write_text(text, encoding="utf-8")
    print(text)
    found = faults(tally)
    print(*found[:20], f"{len(found)} faults; the servers' log is {log}", sep="\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
