"""The Detect and Data pages: run, stop and go on, stored results, every view; eval sets described, unusable ones explained."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from codi_core.errors import DataError
from codi_core.services.uploads import eval_set_file, save_upload
from codi_core.settings import Settings
from tests.pages.conftest import Open, computed
from tests.pages.test_inspect_page import sent


def button(app: AppTest, label: str) -> AppTest:
    return next(b for b in app.button if b.label == label).click().run()


def offered(app: AppTest) -> set[str]:
    return {b.label for b in app.button} & {"Run", "Stop", "Go on"}


@pytest.fixture
def finished(open_page: Open) -> AppTest:
    app = open_page("detect", n="64")
    if any(b.label == "Run" for b in app.button):
        app = button(app, "Run")
    return computed(app)


def test_a_run_reads_every_question_and_is_found_again(finished: AppTest, open_page: Open) -> None:
    assert not finished.exception
    assert not finished.error
    assert any("64 of 64 questions" in caption.value for caption in finished.caption)
    again = open_page("detect", n="64")
    assert not offered(again)
    assert sent(again, "heatgrid") == sent(finished, "heatgrid")


@pytest.mark.parametrize(
    ("params", "title"),
    [
        ({"view": "Values", "value": "step 1", "k": "3"}, "step 1 in the top 3"),
        ({"view": "Token set", "words": "5, 7"}, "any of the tokens in the top 10"),
        ({"view": "Entropy"}, "Mean entropy (nats)"),
        ({"view": "Probability", "value": "answer", "subset": "wrong"}, "Mean P(answer)"),
    ],
)
def test_every_view_is_a_link(finished: AppTest, open_page: Open, params: dict[str, str], title: str) -> None:
    app = open_page("detect", n="64", **params)
    assert not app.exception
    assert not app.error
    assert sent(app, "heatgrid")["legend"]["title"] == title


def test_without_a_question_of_a_kind_the_page_says_so(finished: AppTest, open_page: Open) -> None:
    app = open_page("detect", n="64", view="Probability", subset="correct")
    assert not app.exception
    assert any("There are no correct questions" in caption.value for caption in app.caption) or sent(app, "heatgrid")


@pytest.mark.parametrize("page", ["detect", "data"])
@pytest.mark.parametrize("name", ["/etc/passwd", "nonsense", "../x.csv"])
def test_the_url_names_no_files_of_the_server(open_page: Open, page: str, name: str) -> None:
    app = open_page(page, set=name)
    assert not app.exception
    assert app.selectbox("url-set").value == "templates"


def test_an_upload_that_is_gone_is_explained(open_page: Open) -> None:
    app = open_page("data", set="upload-000000000000.csv")
    assert not app.exception
    assert "bring the file again" in app.error[0].value


def test_a_set_is_described(open_page: Open) -> None:
    app = open_page("data", set="bundled", n="192")
    assert not app.exception
    assert not app.error
    assert len(app.dataframe[0].value) == 192
    assert len(app.get("plotly_chart")) == 3


def test_a_set_of_the_hub_without_network_is_explained(open_page: Open) -> None:
    app = open_page("data", set="svamp")
    assert not app.exception
    assert app.error


def test_uploads_are_kept_by_content(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path)
    content = b"question,answer\nHow many are 1 and 2?,3\n"
    name = save_upload(settings, "mine.CSV", content)
    assert save_upload(settings, "same.csv", content) == name
    assert Path(eval_set_file(settings, name)).read_bytes() == content
    assert eval_set_file(settings, "templates") == "templates"


@pytest.mark.parametrize(
    ("name", "content"), [("a.exe", b""), ("a.csv", b"x,y\n1,2\n"), ("a.jsonl", b"{"), ("a.csv", b"question,answer\nq,5\nr,none\n")]
)
def test_unusable_uploads_are_refused_by_their_own_name(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(DataError) as refused:
        save_upload(Settings(cache_dir=tmp_path), name, content)
    assert name in str(refused.value)
    assert str(tmp_path) not in str(refused.value)
    assert not list(tmp_path.glob("uploads/*"))


@pytest.mark.parametrize("name", ["/etc/passwd", "../../x.csv", "upload-0.csv", "a b"])
def test_pages_read_no_other_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError):
        eval_set_file(Settings(cache_dir=tmp_path), name)
