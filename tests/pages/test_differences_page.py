"""The Differences page: a grid for each A, the pair and the options from the URL, links to Steer that read."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from codi_core.steering.flags import methods_of
from codi_core.steering.hidden import Hidden
from codi_core.steering.vectors import Difference
from tests.pages.conftest import Open
from tests.pages.test_inspect_page import words

N = {"means-n": "100"}


def grids(app: AppTest) -> dict[str, dict[str, Any]]:
    """What each grid was given to draw, by its label."""
    sent = [json.loads(e.proto.json) for e in app.get("bidi_component") if e.proto.component_name == "codi_heatgrid"]
    return {data["label"]: data for data in sent}


def test_there_is_a_column_for_every_pair(open_page: Open) -> None:
    app = open_page("differences", **N)
    assert not app.exception
    assert not app.error
    drawn = grids(app)
    sources = [data for label, data in drawn.items() if label.startswith("A = ")]
    assert len(sources) == 6
    assert [column["label"] for column in sources[0]["columns"]] == ["B 1", "B 2", "B 3", "B 4", "B 5", "B 6"]
    assert [data["chosen"] for data in sources].count(None) == 5, "one pair is chosen"
    assert sum(data["legend"] is not None for data in sources) == 1
    assert len(drawn["Cosines between differences, z"]["rows"]) == 15
    assert "100 questions of 'means'" in words(app).replace("\\", "")


def test_the_state_comes_from_the_url(open_page: Open) -> None:
    app = open_page(
        "differences",
        pair="5.0",
        flip="true",
        **N,
        **{"depth": "1", "zero": "true", "reading": "A-B", "cosine-space": "resid"},
    )
    assert not app.exception
    assert not app.error
    assert "5 → 0: mean 5 − mean 0" in [header.value for header in app.header]
    drawn = grids(app)
    column = drawn["The ten likeliest tokens of 5 → 0 at each layer"]
    assert column["chosen"] == [0, 1]
    assert [row["label"] for row in column["rows"]] == ["0", "1", "2", "3"]
    assert len(drawn["Cosines between differences, resid"]["columns"]) == 21


@pytest.mark.parametrize(
    "params", [{"pair": "2.2"}, {"pair": "9.1"}, {"pair": "<b>"}, {"depth": "99"}, {"means-n": "7"}, {"means": "/etc"}]
)
def test_values_the_url_cannot_have_fall_back(open_page: Open, params: dict[str, str]) -> None:
    app = open_page("differences", **(N | params))
    assert not app.exception
    assert not app.error
    assert any(header.value.startswith("2 → 4") for header in app.header)


def test_the_links_steer_with_what_is_read(open_page: Open) -> None:
    app = open_page("differences", pair="3.5", depth="2", **N)
    links = [element.proto.query_string for element in app.get("page_link")]
    assert links and all("means-n=100" in link for link in links)
    methods = [methods_of(parse_qs(link)["steer"][0])[0] for link in links]
    assert methods[0] == Hidden(Difference(3, 5), 1.0, (3,), "resid", 2)
    assert {method.kind for method in methods} == {"hidden", "kv"}


def test_the_table_shows_the_same(open_page: Open) -> None:
    app = open_page("differences", table="true", **N)
    assert not app.exception
    assert len(app.dataframe) == 6 + 1 + 2
