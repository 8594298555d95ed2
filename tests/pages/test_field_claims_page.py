"""The table of the claims of the field: a row a claim, a column a model, the reason in every cell, and links that open."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from codi_core.services.claims import CLAIMS, FieldClaim
from codi_core.ui.claims.field import PAGES, setup_of
from tests.pages.conftest import Open

ABSENT = "codi-gpt2"


def table(app: AppTest) -> str:
    (found,) = (element.proto.body for element in app.get("html") if 'class="field-claims"' in element.proto.body)
    return found


def test_models_that_ship_stand_beside_the_chosen_one(open_page: Open) -> None:
    app = open_page("claims", model=ABSENT)
    assert not app.exception and not app.error
    found = table(app)
    heads = re.findall(r"<th scope=col>([^<]*)<", found)
    assert heads[:2] == ["Claim", ABSENT] and {"bundled", "bundled-steps"} <= set(heads)
    assert all(html.escape(claim.sentence) in found for claim in CLAIMS)
    cells = re.findall(r"<td>(.*?)</td>", found)
    assert len(cells) == len(CLAIMS) * (len(heads) - 1)
    for cell in cells:
        assert re.search(r"verdict-badge", cell) and "open live" in cell
    assert all("codi_core claims --model codi-gpt2" in cell for cell in cells[:: len(heads) - 1]), "nothing is measured of it"


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.key)
def test_its_link_opens_the_page_as_it_says(claim: FieldClaim) -> None:
    setup = setup_of(claim, "bundled")
    query = setup.query()
    again = PAGES[claim.page].of(lambda name: [query[name]] if isinstance(query.get(name), str) else list(query.get(name, [])))
    assert again == setup, "every field is one of the page, with a value that it takes"


def test_a_link_of_the_table_opens(open_page: Open) -> None:
    found = table(open_page("claims", model="bundled"))
    address = next(href for href in re.findall(r'href="([^"]+)"', found) if href.startswith("influence"))
    parts = urlsplit(address.replace("&amp;", "&"))
    app = open_page(parts.path, **{name: values[0] for name, values in parse_qs(parts.query).items()})
    assert not app.exception and not app.error
