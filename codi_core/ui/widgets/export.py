"""One menu to take a figure away, with the numbers behind it and what made them."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from codi_core.figures.stand_alone import stand_alone, traces_table
from codi_core.services.doctor import BROWSERS
from codi_core.ui.widgets.plot import plot
from codi_core.values.table import table_csv

_ONE_AT_A_TIME = threading.Lock()
"""A rendering starts a Chromium of ~300 MB."""


def export_menu(
    name: str,
    figure: Callable[[], go.Figure],
    tables: Callable[[], Sequence[pd.DataFrame]],
    value: Callable[[], dict[str, Any]],
    key: str = "export",
) -> None:
    """Nothing is made before its button is pressed. ``name``: of the file, no ending; ``key``: another one for each menu of a page."""
    pictures = can_render()
    why = None if pictures else "Needs Chrome or Chromium on the server. The HTML file has a camera button that saves a PNG."
    files: list[tuple[str, str, str, Callable[[], Any], bool]] = [
        ("Table (CSV)", "csv", "text/csv", lambda: table_csv(pd.concat(tables())), True),
        (
            "Values and condition (JSON)",
            "json",
            "application/json",
            lambda: json.dumps(value(), indent=1, ensure_ascii=False).encode(),
            True,
        ),
        ("Interactive figure (HTML)", "html", "text/html", lambda: page_of(figure()), True),
        ("Figure (SVG)", "svg", "image/svg+xml", lambda: render(figure(), "svg"), pictures),
        ("Figure (PNG)", "png", "image/png", lambda: render(figure(), "png"), pictures),
    ]
    with st.popover("Export", icon=":material/download:"), st.container(gap=None):
        for label, ending, mime, data, possible in files:
            st.download_button(
                label,
                data,
                f"{name}.{ending}",
                mime,
                key=f"{key}-{ending}",
                on_click="ignore",
                type="tertiary",
                disabled=not possible,
                help=None if possible else why,
            )


def page_of(figure: go.Figure) -> bytes:
    """As wide as the window that opens it."""
    figure.update_layout(width=None, autosize=True)
    return str(figure.to_html(include_plotlyjs=True, default_width="100%", config={"responsive": True})).encode()


def chart(draw: Callable[[], go.Figure], *, key: str, title: str, condition: str) -> None:
    """A chart with its own menu below. ``condition``: what made its numbers, all of which are in its lines and bars."""
    plot(draw, key=key, label=title)
    with st.container(horizontal=True, horizontal_alignment="right"):
        export_menu(
            f"codi-{key}",
            lambda: stand_alone(draw(), title, condition),
            lambda: [traces_table(draw())],
            lambda: {"title": title, "condition": condition, "table": traces_table(draw()).to_dict(orient="records")},
            key=f"export-{key}",
        )


def can_render() -> bool:
    """SVG and PNG are drawn by kaleido in a browser of the server."""
    return any(shutil.which(browser) for browser in BROWSERS)


def render(figure: go.Figure, kind: str) -> bytes:
    with _ONE_AT_A_TIME:
        return bytes(figure.to_image(kind, scale=2))
