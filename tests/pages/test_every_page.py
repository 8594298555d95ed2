"""The contract of PAGES: every row opens, under its title and its question; a new row is in the navigation and nothing else is needed."""

from __future__ import annotations

import importlib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codi_core.settings import ROOT
from codi_core.ui import pages
from codi_core.ui.pages import GROUPS, PAGES, Page
from codi_core.ui.shell import layout
from tests.pages.conftest import Open

ROW = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
EXAMPLES = [
    pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.name == "steer" else []) for page in PAGES if page.name != "tour"
]
"""The Tour is nothing but examples."""
SMALL = {"n": "12", "means-n": "100", "controls": "0"}


def titles(app: AppTest) -> list[str]:
    return [element.value for element in app.title]


@ROW
def test_a_page_opens_with_its_title_and_its_question(open_page: Open, page: Page) -> None:
    app = open_page(page.name, **SMALL)
    assert not app.exception
    assert not app.error
    assert titles(app) == [page.title], "one h1, the page's"
    assert page.question in [element.value for element in app.markdown]


@pytest.mark.parametrize("page", EXAMPLES)
def test_a_worked_example_is_one_click_away(open_page: Open, page: Page) -> None:
    """From the page itself in another state: what the example leaves out is at its default."""
    setup = importlib.import_module(f"codi_core.ui.{page.name}.link").Setup
    assert page.example
    wanted = setup.example().query()
    app = open_page(page.name, model="bundled", **SMALL, cell="1.1", pair="3.5", depth="2")
    app.button("example").click().run()
    assert not app.exception and not app.error and not app.warning
    assert titles(app) == [page.title]
    given = {name: app.query_params[name] for name in app.query_params}
    assert {name: value for name, value in wanted.items() if given.get(name) not in (value, [value])} == {}
    assert "n" not in app.query_params or "n" in wanted


@ROW
def test_a_pages_file_is_there_and_thin(page: Page) -> None:
    lines = (ROOT / page.file).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 100
    assert "layout.enter(__file__, Setup)" in lines


@ROW
def test_a_pages_address_has_a_codec(page: Page) -> None:
    setup = importlib.import_module(f"codi_core.ui.{page.name}.link").Setup
    assert setup.page == page.name


def test_no_page_is_without_a_row_and_groups_stand_together() -> None:
    assert {path.stem for path in (ROOT / "pages").glob("*.py")} == {page.name for page in PAGES}
    assert len({page.title for page in PAGES}) == len(PAGES)
    groups = [page.group for page in PAGES]
    assert groups == sorted(groups, key=GROUPS.index)


@pytest.mark.parametrize("file", ["README.md", "docs/pages.md"])
def test_the_readme_and_the_site_ask_every_pages_question(file: str) -> None:
    rows = re.findall(r"^\| (\w+) \| (.*?) \|$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    asked = {title: text for title, text in rows if title in {page.title for page in PAGES}}
    assert list(asked) == [page.title for page in PAGES]
    for page in PAGES:
        assert asked[page.title].startswith(page.question), page.title


def test_a_new_page_is_one_row_and_one_file(package_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "app.py", tmp_path)
    shutil.copytree(ROOT / "pages", tmp_path / "pages")
    (tmp_path / "pages" / "toy.py").write_text(
        "import streamlit as st\nfrom codi_core.ui.shell import layout\n\nlayout.enter(__file__)\nst.text('A toy.')\n"
    )
    toy = Page("toy", "Toy", "toys", "About", "What does a toy do?")
    for module in (pages, layout):
        monkeypatch.setattr(module, "PAGES", (*PAGES, toy))
    listed: list[str] = []
    navigation = st.navigation

    def recorded(rows: list[st.Page], **options: Any) -> st.Page:
        listed[:] = [row.title for row in rows]
        return navigation(rows, **options)

    monkeypatch.setattr(st, "navigation", recorded)
    app = AppTest.from_file(str(tmp_path / "app.py"), default_timeout=240)
    app.session_state["goto"] = (toy.file, {})
    app.run()
    assert not app.exception
    assert titles(app) == ["Toy"]
    assert [element.value for element in app.text] == ["A toy."]
    assert listed == [*(page.title for page in PAGES), "Toy"]
