"""What a person sees when something fails: the message of an expected error, or an id under which the server's log has the rest."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from codi_core.errors import CodiError

log = logging.getLogger(__name__)


@contextmanager
def shown_errors() -> Iterator[None]:
    """An exception in the block becomes a box on the page; what follows the block still runs."""
    try:
        yield
    except CodiError as error:
        st.error(plain(str(error)), icon=":material/error:")
    except Exception:
        reference = uuid.uuid4().hex[:8]
        log.exception("unexpected error %s", reference)
        st.error(
            f"Something went wrong. The server's log has the details under **{reference}**; the rest of the page still works.",
            icon=":material/error:",
        )


def plain(text: str) -> str:
    """Text as Markdown that shows exactly this text: no formulas, links, images or directives."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
