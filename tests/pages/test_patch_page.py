"""The Patch page: a link says all, a map runs and is found again, refusals in words, command lines that parse."""

from __future__ import annotations

from codi_core.cli import make_parser
from codi_core.ui.patch.examples import FIRST
from tests.pages.conftest import Open
from tests.pages.test_ablate_page import commands, finished, words

SMALL = {"passes": "2", "over": "this"}


def test_a_patch_and_the_map_of_its_pair(open_page: Open) -> None:
    app = open_page("patch", **SMALL, to="1.2", **{"from": "2.1"})
    assert not app.error
    assert "z2 · layer 1 → z1 · layer 2" in words(app) and "every number is" not in words(app).lower()
    assert [area.value for area in app.text_area] == list(FIRST)
    app = finished(app, "Patch every cell")
    again = open_page("patch", **SMALL)
    assert sum(button.label == "Patch every cell" for button in again.button) == 2, "one of the three maps is stored"
    assert "1 pairs" in words(again)
    for line in commands(again):
        make_parser().parse_args(line)


def test_what_cannot_be_patched_is_said(open_page: Open) -> None:
    app = open_page("patch", **SMALL, **{"from": "1.2", "to": "0.0"})
    assert "embedding of bot" in words(app) or any("embedding of bot" in error.value.replace("\\", "") for error in app.error)
    assert not app.exception
    same = open_page("patch", **SMALL, prompt=FIRST[1], into=FIRST[1])
    assert "bit for bit" in words(same)
    longer = open_page("patch", **SMALL, into="How many eggs are in 3 crates of 12? Count them one by one.", what="slot")
    assert "keys are turned to it" in words(longer)
