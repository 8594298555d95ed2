"""A table of the questions that a condition fixed or broke; a row can be chosen."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from codi_core.figures.text import number
from codi_core.services.effects import Flip


def flip_table(flips: Sequence[Flip], key: str, height: int) -> Flip | None:
    """Draws it; the chosen one."""
    table = pd.DataFrame(
        [
            {
                "": ("fixed" if flip.fixed else "broken") + (", only in form" if flip.only_form else ""),
                "question": flip.question.question,
                "correct": number(flip.question.gold),
                "baseline": flip.baseline.strip(),
                "steered": flip.steered.strip(),
            }
            for flip in flips
        ]
    )
    picked = st.dataframe(table, hide_index=True, key=key, on_select="rerun", selection_mode="single-row", height=height)
    rows = picked["selection"]["rows"]
    return flips[rows[0]] if rows and rows[0] < len(flips) else None
