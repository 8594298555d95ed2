"""What a person sees when something fails: the message of an expected error, or an id under which the server's log has the rest."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from codi_core.errors import CodiError, FilesError
from codi_core.settings import ROOT, Settings

log = logging.getLogger(__name__)


class shown_errors:
    """An exception in the block becomes a box on the page; what follows the block still runs.

    ``beside``: places at the controls of a form, by the field they change. An error of such a field is shown there.
    """

    def __init__(self, beside: Mapping[str, DeltaGenerator] = MappingProxyType({})) -> None:
        self.beside = beside

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> bool:
        if isinstance(error, CodiError):
            log.warning("refused: %s", " ".join(str(error).split()))
        if isinstance(error, CodiError) and error.field in self.beside:
            self.beside[error.field].error(plain(said(error)), icon=":material/error:")
            st.caption("Nothing is run: a red box beside a control says why.")
        elif isinstance(error, CodiError):
            st.error(plain(said(error)), icon=":material/error:")
        elif isinstance(error, Exception):
            reference = uuid.uuid4().hex[:8]
            log.error("unexpected error %s", reference, exc_info=error)
            st.error(
                f"Something went wrong. The server's log has the details under **{reference}**; the rest of the page still works.",
                icon=":material/error:",
            )
        return isinstance(error, Exception)  # Streamlit's own control flow is no Exception


def said(error: CodiError) -> str:
    """The message for a viewer: without the server's folders, and without asking them to repair its files."""
    text = str(error)
    if isinstance(error, FilesError) and error.repair:
        text = f"{error.what}: whoever runs this server can {error.repair}"
    for folder, name in ((_cache(), "cache"), (ROOT, "codi"), (Path.home(), "~")):
        text = text.replace(str(folder), name)
    return text


def _cache() -> Path:
    """The settings may be what is wrong."""
    try:
        return Settings.from_env().cache_dir
    except CodiError:
        return Settings.cache_dir


def plain(text: str) -> str:
    """Text as Markdown that shows exactly this text: no formulas, links, images or directives."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
