"""An eval set of one's own is one row: it then stands in the command line's help and in every picker, and it can be evaluated."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from codi_core import cli
from codi_core.problems.evalsets import EVAL_SETS, EvalSet
from codi_core.values.questions import Question
from tests.pages.conftest import Open

NAME, ABOUT = "toy-sums", "Sums nobody has published"


def toy(n: int, seed: int) -> list[Question]:
    return [Question(f"{seed}/{a}", f"What is {a} + {seed}?", float(a + seed), "", (), ()) for a in range(n or 5)]


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EVAL_SETS, NAME, EvalSet(ABOUT, toy, suffix=" Give the answer only.", for_means=True))


@pytest.mark.usefixtures("row")
@pytest.mark.parametrize("command", ["eval", "detect", "sweep"])
def test_it_is_in_the_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert f"{NAME}: {ABOUT}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("row")
@pytest.mark.parametrize(("page", "pickers"), [("data", 1), ("detect", 1), ("steer", 2)])
def test_it_is_in_every_picker(page: str, pickers: int, open_page: Open) -> None:
    """On Steer twice: what is steered, and where means come from."""
    app = open_page(page, **{"n": "12", "eval-n": "12", "means-n": "20", "controls": "0"} if page == "steer" else {})
    assert not app.exception
    assert sum(NAME in box.options for box in app.selectbox) == pickers


@pytest.mark.usefixtures("row")
def test_its_questions_are_on_the_data_page(open_page: Open) -> None:
    app = open_page("data", set=NAME)
    assert not app.exception and not app.error
    assert any(ABOUT in caption.value for caption in app.caption)
    assert app.dataframe[0].value["question"].tolist()[:2] == [f"What is {a} + 0? Give the answer only." for a in range(2)]


@pytest.mark.usefixtures("row")
def test_it_is_evaluated(tiny: Path, tmp_path: Path) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = cli.main(
            ["eval", "--eval-set", NAME, "--n", "3", "--model", str(tiny), "--device", "cpu", "--cache-dir", str(tmp_path), "--json"]
        )
    report: dict[str, Any] = json.loads(out.getvalue())
    assert code == 0
    assert (report["eval_set"]["name"], report["n"], sum(report["outcomes"].values())) == (NAME, 3, 3)
