"""The same request through Python, the command line and a page: one number, one sentence."""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import codi_core as codi
from codi_core import cli
from codi_core.figures.text import glyphs, percent
from codi_core.settings import Settings
from codi_core.values.verdict import points
from tests.pages.conftest import Open

CONDITION = "kv source=difference a=2 b=4 coefficient=2 indices=3"
N = 8


def said_by(app: AppTest) -> str:
    """The HTML of a page as text."""
    assert not app.exception and not app.error
    return html.unescape(re.sub(r"<[^>]+>", "", "\n".join(element.proto.body for element in app.get("html"))))


def test_an_effect_is_one_number_through_every_door(package_environment: None, open_page: Open, capsys: pytest.CaptureFixture[str]) -> None:
    cache = os.environ["CODI_CACHE_DIR"]
    model = codi.load("bundled-steps", settings=Settings(cache_dir=Path(cache), device="cpu"))
    effect = model.compare(CONDITION, "templates", N)

    options = ["--model", "bundled-steps", "--eval-set", "templates", "--n", str(N), "--cache-dir", cache, "--device", "cpu", "--json"]
    assert cli.main(["eval", "--condition", CONDITION, *options]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(json.dumps(effect.value.as_json()))

    st.cache_resource.clear()
    app = open_page("steer", model="bundled-steps", set="templates", n=str(N), controls="0", steer=CONDITION)
    text = said_by(app)
    assert effect.value.verdict.sentence() in text and points(effect.value.paired.delta) in text


def test_a_lens_reads_the_same_through_every_door(package_environment: None, open_page: Open, capsys: pytest.CaptureFixture[str]) -> None:
    cache, prompt = os.environ["CODI_CACHE_DIR"], "What is 3 plus 4?"
    model = codi.load("bundled-steps", settings=Settings(cache_dir=Path(cache), device="cpu"))
    table = model.think(prompt).lens("tuned:all").to_pandas()
    top = table[(table["index"] == 3) & (table["depth"] == 5)].sort_values("rank")

    where = ["--model", "bundled-steps", "--cache-dir", cache, "--device", "cpu"]
    assert cli.main(["lens", "--prompt", prompt, "--lens", "tuned:all", *where, "--json"]) == 0
    grid = json.loads(capsys.readouterr().out)["grids"]["tuned:all"]
    assert grid["top_tokens"][3][5] == top["token"].tolist()
    assert grid["top_probs"][3][5] == pytest.approx(top["probability"].tolist())

    st.cache_resource.clear()
    app = open_page(model="bundled-steps", prompt=prompt, lens="tuned:all")
    shown = next(json.loads(e.proto.json) for e in app.get("bidi_component") if e.proto.component_name == "codi_heatgrid")
    (row,) = (cells for line, cells in zip(shown["rows"], shown["cells"], strict=True) if line["id"] == 5)
    assert row[3]["top"] == [[glyphs(token), percent(share)] for token, share in zip(top["token"], top["probability"], strict=True)]
