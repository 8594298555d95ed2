"""“Beside its control” of a model that ships: every page that offers it opens with the difference, and nothing is computed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.pages.conftest import Open

TOLD = {
    "geometry": "of the variance, in the control",
    "detect": "Answer in the top 10: more than in its control",
    "influence": "nats in the model, in its control by",
    "patch": "Recovery, clean into corrupt: more than in its control",
    "model": "KL to output of tuned:all: more than in its control",
}
SAID = {"geometry": {"latents": "h"}, "influence": {"view": "Over an eval set"}}
"""What the address says besides."""


@pytest.mark.parametrize("page", TOLD)
def test_the_difference_is_there_on_arrival(open_page: Open, page: str) -> None:
    made = Path(os.environ["CODI_CACHE_DIR"])
    before = set(made.rglob("meta.json"))
    app = open_page(page, model="bundled", twin="yes", **SAID.get(page, {}))
    assert not app.exception and not app.error
    assert TOLD[page] in " ".join(element.value.replace("\\", "") for element in app.markdown)
    assert not [button.label for button in app.button if button.label.startswith(("Run", "Stop", "Go on", "Patch every"))]
    assert set(made.rglob("meta.json")) == before


def test_a_lens_card_leads_to_the_one_beside_the_control(open_page: Open) -> None:
    app = open_page("inspect", model="bundled", lens="tuned:all")
    assert not app.exception and not app.error
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert links["The same card beside that of the model's control"] == "model=bundled&twin=yes&lens=tuned%3Aall"
