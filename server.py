"""What `streamlit run` serves: the app, and one route a page.

Streamlit's own page asks for its server below the address it was opened at (`/steer/_stcore/health`) before it asks at the root: two errors
in the console of every deep link. Told where the server is, it asks there. And `/inspect` opens the page that is at `/`.

The model of the settings is opened before the address answers, not by the first visitor; one that takes longer is opened meanwhile.

``/metrics`` has the counters in Prometheus' text format, and the log one line a request. Neither holds what people type.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread

import streamlit
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from streamlit.starlette import App

from codi_core.settings import LOCAL
from codi_core.ui.pages import PAGES

if streamlit.get_option("server.address") not in LOCAL:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # whoever reaches the server cannot make it fetch anything: docs/serving.md

logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
logging.getLogger("codi_core.services.shared.meter").setLevel(logging.INFO)

HERE = "<script>window.__streamlit = { BACKEND_BASE_URL: new URL('.', window.location).href };</script>"
INDEX = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8").replace("<head>", f"<head>{HERE}", 1)


WAITS = 30.0
"""Seconds that the address waits for the model; the bundled ones take a few."""
TIDIES = 10.0
"""Seconds between two searches for garbage, which sessions that ended become, with three open files each."""


def index(request: Request) -> Response:
    return HTMLResponse(INDEX, headers={"Cache-Control": "no-cache"})


def first(request: Request) -> Response:
    """Relative: a proxy may have put the app below a path of its own."""
    return RedirectResponse(f".?{request.url.query}")


def metrics(request: Request) -> Response:
    meter = importlib.import_module("codi_core.ui.shell.calls").opened().meter
    if meter is None:
        return PlainTextResponse("The models are in Ray's actors, whose logs have a line a request.\n", status_code=404)
    return Response(meter.text(), media_type="text/plain; version=0.0.4; charset=utf-8", headers={"Cache-Control": "no-store"})


def open_first() -> None:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in app.py
    importlib.import_module("codi_core.ui.start").open_first()


@asynccontextmanager
async def opening(_: App) -> AsyncIterator[None]:
    thread = Thread(target=open_first, name="open-first", daemon=True)
    thread.start()
    await asyncio.to_thread(thread.join, WAITS)
    tidying = asyncio.create_task(tidy())
    yield
    tidying.cancel()


async def tidy() -> None:
    while True:
        await asyncio.sleep(TIDIES)
        gc.collect()  # among what came after the start: ui/start.py


app = App(
    Path(__file__).with_name("app.py"),
    routes=[Route(f"/{page.name}", first if page is PAGES[0] else index) for page in PAGES] + [Route("/metrics", metrics)],
    lifespan=opening,
)
