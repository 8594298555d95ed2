"""What leaves the house is data, whatever a model wrote or a person typed."""

from __future__ import annotations

import io

import pandas as pd
import plotly.graph_objects as go
import pytest

from codi_core.figures.stand_alone import stand_alone
from codi_core.ui.widgets.export import page_of
from codi_core.values.table import FORMULA, table_csv


@pytest.mark.parametrize("start", FORMULA)
def test_no_text_is_a_formula_to_a_spreadsheet(start: str) -> None:
    csv = table_csv(pd.DataFrame({"answer": [f"{start}HYPERLINK(1)"], "delta": [-0.5]}))
    back = pd.read_csv(io.BytesIO(csv), encoding="utf-8-sig")
    assert back["answer"][0] == f"'{start}HYPERLINK(1)"
    assert back["delta"][0] == -0.5


def test_other_texts_come_back_as_they_were() -> None:
    table = pd.DataFrame({"token": [" 12", "a\rb", '"', "ü", "1-2"]})
    back = pd.read_csv(io.BytesIO(table_csv(table)), encoding="utf-8-sig", lineterminator="\n")
    assert back["token"].tolist() == table["token"].tolist()


EVIL = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", '<a href="javascript:alert(1)">x</a>')


@pytest.mark.parametrize("text", EVIL)
def test_no_text_is_markup_in_an_exported_page(text: str) -> None:
    figure = go.Figure(go.Scatter(x=[1], y=[2], name=text))
    page = page_of(stand_alone(figure, f"Title {text}", f"model {text}")).decode()
    body = page[page.rindex("Plotly.newPlot") :]  # what comes before is the library
    assert "<script>alert" not in body and "<img" not in body and "<a href" not in body
    title = stand_alone(figure, text, text).layout
    assert all("<" not in shown.replace("<br>", "") for shown in (title.title.text, title.annotations[0].text)), (
        "Plotly draws no markup of it"
    )
