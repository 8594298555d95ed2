"""What a person sees when something fails: the message of an expected error, or an id under which the server's log has the rest."""

from __future__ import annotations

import logging
import re
import uuid
from types import TracebackType

import streamlit as st

from codi_core.errors import CodiError

log = logging.getLogger(__name__)


class shown_errors:
    """An exception in the block becomes a box on the page; what follows the block still runs."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> bool:
        if isinstance(error, CodiError):
            st.error(plain(str(error)), icon=":material/error:")
        elif isinstance(error, Exception):
            reference = uuid.uuid4().hex[:8]
            log.error("unexpected error %s", reference, exc_info=error)
            st.error(
                f"Something went wrong. The server's log has the details under **{reference}**; the rest of the page still works.",
                icon=":material/error:",
            )
        return isinstance(error, Exception)  # Streamlit's own control flow is no Exception


def plain(text: str) -> str:
    """Text as Markdown that shows exactly this text: no formulas, links, images or directives."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
