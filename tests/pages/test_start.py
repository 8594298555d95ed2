"""What is done at the start: the model of the settings is open, and its first page thought through, before anyone asks."""

from __future__ import annotations

import asyncio
from threading import Event

import pytest

import server
from codi_core.services.shared import workbench
from codi_core.ui import start
from tests.pages.conftest import Open
from tests.pages.test_inspect_page import sent


def test_the_first_visitor_finds_the_model_open(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    start.open_first()
    monkeypatch.setattr(workbench, "load_model", None)
    app = open_page()
    assert not app.exception and not app.error
    assert sent(app, "heatgrid")["cells"]


def test_the_address_waits_for_the_model_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, late = Event(), Event()

    async def is_open_when_up(model: Event) -> bool:
        async with server.opening(server.app):
            return model.is_set()

    monkeypatch.setattr(server, "open_first", opened.set)
    assert asyncio.run(is_open_when_up(opened))
    monkeypatch.setattr(server, "open_first", late.wait)
    monkeypatch.setattr(server, "WAITS", 0.01)
    assert not asyncio.run(is_open_when_up(late))
    late.set()
