"""Where a viewer stands in the line before the model, said at the head of the page while they wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Protocol

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import StopException, add_script_run_ctx

PATIENCE = 0.7
"""Seconds of waiting before it is worth saying."""
AGAIN = 0.5
"""Seconds between two paintings."""
BLINK = 0.02
"""Seconds after which the line is gone once nobody waits: before a page that is ready at once has ended."""


class Waiting(Protocol):
    """See `backend.worker.Waiting`."""

    @property
    def place(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def since(self) -> float: ...


Ask = Callable[[], Waiting | None]


def place() -> None:
    """Where it is said; once a page, in its head."""
    st.session_state["line"] = st.empty()


def watch(ask: Ask) -> None:
    """Called again and again by a script that waits. A thread paints: what a cached function paints itself would be painted again with
    every cached result.
    """
    where, painter = st.session_state.get("line"), st.session_state.get("line-painter")
    if where is None or (painter is not None and painter.is_alive()):
        return
    waiting = ask()
    if waiting is not None and waiting.since > PATIENCE:
        painter = st.session_state["line-painter"] = Thread(target=_paint, args=(where, ask), name="line", daemon=True)
        add_script_run_ctx(painter)
        painter.start()


def words(waiting: Waiting) -> str:
    """
    >>> from codi_core.backend.worker import Waiting
    >>> words(Waiting(3, 4.2, 1.0)), words(Waiting(1, 0.2, 1.0))
    ('3 pieces of work before yours, about 5 s', '1 piece of work before yours, about 1 s')
    """
    pieces = f"{waiting.place} piece{'s' * (waiting.place != 1)} of work"
    return f"{pieces} before yours, about {int(waiting.seconds) + 1} s"


def _paint(where: DeltaGenerator, ask: Ask) -> None:
    painted = 0.0
    with suppress(StopException):  # the page was left
        while (waiting := ask()) is not None:
            if time.monotonic() - painted > AGAIN:
                where.caption(f":material/hourglass_top: Waiting for the model: {words(waiting)}.")
                painted = time.monotonic()
            time.sleep(BLINK)
        where.empty()
