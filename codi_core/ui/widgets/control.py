"""“Beside its control”: whether a page shows the same of the model's pause twin, and the difference."""

from __future__ import annotations

from typing import Any

import streamlit as st

from codi_core.ui.shell import calls, codec, missing, url
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets import linked

NAME, VALUES = "twin", ("no", "yes")
ABOUT = (
    "The control is a pause twin: trained as the model was (seed, problems, steps, losses), but its passes are fed one learned vector and "
    "no latent, so nothing is fed back. What both show is no evidence of thoughts."
)


def param() -> Any:
    """For the `Setup` of a page."""
    return codec.switch(NAME, VALUES)


def chosen(model: str) -> str | None:
    """What requests call the control when a person wants it shown. There is a toggle only where there is a twin."""
    twin = calls.twin(model)
    if twin is None or twin.differs:
        missing.check(NAME, url.read_all(NAME), VALUES[:1], "the model alone: it has no control")
    if twin is None:
        return None
    if twin.differs:
        st.caption(plain(f"{twin.name} is no control of this model, for their trainings differ: {', '.join(twin.differs)}."))
        return None
    return twin.name if linked.toggle("Beside its control", NAME, VALUES, about=ABOUT) else None
