"""What this installation needs, looked at: each finding with its remedy. Nothing here raises, and no model is loaded."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Literal

from codi_core.errors import ArtifactError, CodiError, FilesError
from codi_core.models.presets import check_shipped
from codi_core.settings import Settings
from codi_core.store import META, Store
from codi_core.version import code_version, version

State = Literal["ok", "warning", "failure"]
OLDEST_PYTHON = (3, 11)
LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "streamlit", "plotly")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""What draws PNG and SVG files; any of them does."""
HUB = "https://huggingface.co"
HUB_SECONDS = 3.0
LITTLE_MEMORY, LITTLE_DISK, NO_DISK = 2e9, 1e9, 1e8
"""Bytes: the smallest models and an evaluation take about 1 GB; a sweep some 10 MB."""


@dataclass(frozen=True)
class Finding:
    what: str
    state: State
    found: str
    remedy: str = ""
    """Empty when there is nothing to be done."""


def examine(settings: Settings) -> Iterator[Finding]:
    """One finding after the other, as they are made; the last reads every stored byte."""
    yield Finding("code", "ok", f"{version()} ({code_version()})")
    yield python()
    yield libraries()
    yield from machine(settings)
    yield from disk(settings.cache_dir)
    yield browser(shutil.which)
    yield hub()
    yield from artifacts(settings)


def python() -> Finding:
    found = f"{platform.python_version()}, {sys.executable}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("Python", "failure", found, f"Install Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer.")
    return Finding("Python", "ok", found)


def libraries() -> Finding:
    missing: list[str] = []
    found: list[str] = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("libraries", "failure", f"missing: {', '.join(missing)}", "Install requirements.txt, or the package, again.")
    return Finding("libraries", "ok", ", ".join(found))


def machine(settings: Settings) -> Iterator[Finding]:
    """Device, threads and memory, as a model would find them."""
    try:
        import torch  # here: without it the other findings still come

        from codi_core.device import available_memory, choose_device, set_threads
    except (ImportError, OSError) as error:
        yield Finding("torch", "failure", str(error), "Install torch again; a memory limit (ulimit -v) stops it too.")
        return
    try:
        choice = choose_device(settings.device)
    except CodiError as error:
        yield Finding("device", "failure", str(error), "Set CODI_DEVICE to auto.")
        return
    yield Finding("device", "ok", f"{choice.device}: {choice.reason}")
    set_threads(settings.threads)
    used, there = torch.get_num_threads(), cores()
    remedy = f"Set CODI_THREADS to {there} or less: more only wait for each other." if used > there else ""
    yield Finding("threads", "warning" if remedy else "ok", f"{used} of {there} cores", remedy)
    free = available_memory(choice.device)
    remedy = "Close other programs, or lift the container's limit." if free < LITTLE_MEMORY else ""
    yield Finding("memory", "warning" if remedy else "ok", f"{free / 1e9:.1f} GB free on {choice.device}", remedy)


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def disk(cache: Path) -> Iterator[Finding]:
    """Whether results can be kept, and room for them."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=cache, prefix=".doctor."):
            free = shutil.disk_usage(cache).free
    except OSError as error:
        remedy = "Results are shown and not kept: set CODI_CACHE_DIR to a folder that can be written."
        yield Finding("cache", "failure", f"{cache} cannot be written ({error.strerror or error})", remedy)
        return
    yield Finding("cache", "ok", f"{cache} can be written")
    state: State = "failure" if free < NO_DISK else "warning" if free < LITTLE_DISK else "ok"
    yield Finding("disk", state, f"{free / 1e9:.1f} GB free", "" if state == "ok" else f"Make room, or move CODI_CACHE_DIR from {cache}.")


def browser(which: Callable[[str], str | None]) -> Finding:
    found = next((path for name in BROWSERS if (path := which(name))), None)
    if found is None:
        return Finding("Chromium", "warning", "none", "Only PNG and SVG files, and the browser tests, need it: apt-get install chromium.")
    return Finding("Chromium", "ok", found)


def hub(url: str = HUB) -> Finding:
    """Offline is no failure: what ships, and what was fetched before, opens without."""
    import httpx  # here, as in models/hub.py

    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return Finding("hub", "ok", "not asked: HF_HUB_OFFLINE is set")
    try:
        httpx.head(url, timeout=HUB_SECONDS, follow_redirects=True)
    except httpx.HTTPError as error:
        remedy = "Models and eval sets that are not here yet cannot be fetched; everything else works."
        return Finding("hub", "warning", f"{url} does not answer ({type(error).__name__})", remedy)
    return Finding("hub", "ok", f"{url} answers")


def artifacts(settings: Settings) -> Iterator[Finding]:
    """Every stored file against its hash: artifacts, lenses, models that ship; one finding for each folder that has changed."""
    intact = 0
    for folder, check in _stored(settings):
        try:
            check()
            intact += 1
        except CodiError as error:
            what = error.what if isinstance(error, FilesError) else str(error)
            if folder.is_relative_to(settings.bundled_dir):
                yield Finding("artifact", "failure", what, "It ships: install the package again, or `git checkout cache/bundled`.")
            elif isinstance(error, ArtifactError):
                yield Finding("artifact", "warning", what, f"Delete {folder}: it is made again when it is asked for.")
            else:
                yield Finding("lens", "warning", what, f"Restore {folder}, or train the lens again.")
    yield Finding("artifacts", "ok", f"{intact:,} as they were written")


def _stored(settings: Settings) -> Iterator[tuple[Path, Callable[[], object]]]:
    """What is stored, folder by folder, and what raises CodiError when it has changed."""
    store = Store(settings)
    for root in (settings.bundled_dir, settings.cache_dir):
        for meta in sorted(root.glob(f"[!.]*/[!.]*/{META}")):
            yield meta.parent, partial(store.read, meta.parent.parent.name, meta.parent.name)
    for folder in sorted((settings.bundled_dir / "models").glob("*")):
        yield folder, partial(check_shipped, folder.name, folder)
    try:
        from codi_core.lenses.cards import CARD, FOLDERS, check_files  # here, as it needs torch
    except (ImportError, OSError):
        return  # said above, of torch
    for root in (settings.bundled_dir, settings.cache_dir):
        for place, command in ((FOLDERS["tuned"], "train-lens"), (FOLDERS["jlens"], "train-jlens")):
            for card in sorted(root.glob(f"{place}/[!.]*/[!.]*/{CARD}")):
                yield card.parent, partial(check_files, card.parent, command)
