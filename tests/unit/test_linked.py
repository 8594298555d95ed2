"""What a widget says is saved while it is there; a change that comes when it is gone from the page changes nothing."""

from __future__ import annotations

import re

import pytest
import streamlit as st

from codi_core.settings import ROOT
from codi_core.ui.widgets import linked


def test_a_change_of_a_widget_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, str | None] = {}
    saved: list[str] = []
    monkeypatch.setattr(st, "session_state", state)
    changed = linked.taken("box", saved.append)
    changed()
    state["box"] = None  # as it was seen when a page was painted anew while it was clicked: `view=None` stood in the address
    changed()
    assert saved == []
    state["box"] = "chosen"
    changed()
    assert saved == ["chosen"]


def test_options_that_streamlit_binds_to_the_address_are_told_when_a_link_asks_for_others() -> None:
    call = re.compile(r'st\.(\w+)\((?:[^()]|\([^()]*\))*?bind="query-params"')
    bound = [found for path in (ROOT / "codi_core" / "ui").rglob("*.py") for found in call.findall(path.read_text(encoding="utf-8"))]
    assert bound and set(bound) <= {"toggle", "text_input"}, "others go by linked.bound"


def test_no_callback_of_ours_reads_a_widget_by_itself() -> None:
    """They would all break as the box of eval sets did."""
    for path in (ROOT / "codi_core" / "ui").rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert "on_change=lambda" not in line, f"{path}: {line.strip()}"
