"""The chosen cell as a sum of few token directions: on demand, for the directions of all tokens have to be made."""

from __future__ import annotations

import streamlit as st

from codi_core.figures.sparse import sparse_words
from codi_core.figures.text import glyphs
from codi_core.services.inspect import InspectRequest
from codi_core.services.sparse import SparseRequest, sparse_command
from codi_core.ui.ablate import captions
from codi_core.ui.shell import calls
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.widgets import linked
from codi_core.ui.widgets.table import rows_table
from codi_core.values.signs import decimal

ABOUT = (
    "Nonnegative matching pursuit over the directions of all tokens (Jᵀw of the J-lens that is shown, else w): at most eight, chosen one "
    "by one. With eight directions of so many something is explained of any vector: compare with the random ones."
)


def show(request: InspectRequest, cell: tuple[int, int]) -> None:
    if not linked.toggle("As a sum of token directions", "sparse", about=ABOUT):
        return
    lens = next((name for name in request.lenses if name.startswith("jlens")), SparseRequest.lens)
    asked = SparseRequest(request.model, request.prompt, *cell, lens=lens, passes=request.passes)
    with shown_errors():
        found = calls.summed(asked)
        st.markdown(f"**{plain(sparse_words(found))}**")
        if found.tokens:
            rows = [{"token": glyphs(top.token), "weight": decimal(top.weight, ".3f")} for top in found.tokens]
            st.html(rows_table(rows, "Token directions and their weights"))
        captions.repeat(sparse_command(asked))
