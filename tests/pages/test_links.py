"""Links between pages: the address always wins, old names are understood, and nothing of the page before gets in the way."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from codi_core.services.uploads import save_upload
from codi_core.settings import Settings
from codi_core.steering.flags import methods_of
from codi_core.ui.pages import PAGES
from codi_core.ui.shell.url import renamed
from codi_core.ui.steer.link import Setup as SteerSetup
from tests.pages.conftest import Open
from tests.pages.test_inspect_page import words

SMALL = {"n": "12", "means-n": "100", "controls": "0"}
HIDDEN = "hidden source=difference a=2 b=4 coefficient=1 indices=3"


def follow(app: AppTest, page: str, **query: str | list[str]) -> AppTest:
    """In the same session, as a click on a link does. AppTest runs the page's file alone, so it is sent through app.py as any deep link."""
    app.query_params.clear()
    app.query_params.update(query)
    app.session_state["via-app"] = False
    return app.switch_page(f"pages/{page}.py").run()


@pytest.mark.parametrize("page", [page.name for page in PAGES])
def test_a_link_that_names_a_model_is_believed(open_page: Open, page: str) -> None:
    for before, after in (("bundled", "bundled-steps"), ("bundled-steps", "bundled")):
        app = open_page("tour", model=before)
        assert app.selectbox("url-model").value == before
        follow(app, page, **SMALL, model=after)
        assert not app.exception
        assert app.selectbox("url-model").value == after
        assert app.session_state["model"] == after
        assert app.query_params["model"] in (after, [after])


def test_a_model_chosen_in_the_picker_stays_until_a_link_says_otherwise(open_page: Open) -> None:
    app = open_page("tour", model="bundled")
    app.session_state["via-app"] = False
    app.selectbox("url-model").select("bundled-steps").run()
    assert app.query_params["model"] in ("bundled-steps", ["bundled-steps"])
    follow(app, "data")
    assert app.selectbox("url-model").value == "bundled-steps"
    follow(app, "tour", model="bundled")
    assert app.selectbox("url-model").value == "bundled"


def test_what_a_link_leaves_out_is_at_its_default_and_plain_navigation_keeps_what_was_set(open_page: Open) -> None:
    app = open_page("steer", **SMALL, steer=HIDDEN, passes="5")
    follow(app, "tour")
    follow(app, "steer")
    assert app.button_group("steer-kind").value == "hidden", "kept"
    follow(app, "tour")
    follow(app, "steer", n="12", **{"means-n": "100", "controls": "0"})
    assert app.button_group("steer-kind").value == "kv", "the link names no intervention: the default"
    assert app.button_group("url-passes").value == "6"
    assert not app.exception and not app.error


@pytest.mark.parametrize(
    ("page", "old", "new"),
    [
        ("steer", {"eval-set": "templates", "eval-n": "12", "eval-seed": "3"}, {"set": "templates", "n": "12", "seed": "3"}),
        ("heatmaps", {"on": "bundled", "grid": "pairs", "base": "all"}, {"set": "bundled", "view": "pairs", "against": "all"}),
        ("differences", {"difference-sign": "A-B", "means-n": "100"}, {"reading": "A-B", "means-n": "100"}),
        ("ablate", {"experiment": "One prompt", "passes": "2"}, {"view": "One prompt", "passes": "2"}),
        ("inspect", {"by": "Entropy"}, {"by": "Entropy"}),
    ],
)
def test_an_old_link_opens_the_same_state(open_page: Open, page: str, old: dict[str, str], new: dict[str, str]) -> None:
    assert renamed(page, {name: [value] for name, value in old.items()}) == {name: [value] for name, value in new.items()}
    given = SMALL if page == "steer" else {}
    was, now = (open_page(page, **({"means-n": "100", "controls": "0"} if given else {}), **params) for params in (old, new))
    assert not was.exception
    assert words(was) == words(now)
    assert {name: was.query_params[name] for name in was.query_params} == {name: now.query_params[name] for name in now.query_params}


def test_old_and_new_names_together_mean_the_new_one() -> None:
    assert renamed("steer", {"eval-n": ["5"], "n": ["7"]}) == {"n": ["7"]}
    assert renamed("data", {"eval-n": ["5"]}) == {"eval-n": ["5"]}, "names are a page's own"


def test_pages_do_not_disturb_each_other(open_page: Open) -> None:
    """Names that several pages have in different widgets: from each page to the next, forth and back, with a query and without."""
    app = open_page("inspect", by="KL to output", measure="Entropy", **SMALL)
    for name in ("detect", "differences", "geometry", "steer", "ablate", "heatmaps", "data", "claims", "steer", "detect", "inspect"):
        follow(app, name, **SMALL, view="Entropy", measure="Gold margin", by="Length", space="resid", passes="2")
        assert not app.exception, name
        follow(app, "tour")
        follow(app, name)
        assert not app.exception and app.title[0].value, name


def test_an_own_file_is_in_the_list_of_every_page_under_its_own_name(open_page: Open) -> None:
    rows = "".join(f"How many are {n} and 2?,{n + 2}\n" for n in range(1, 13))
    name = save_upload(Settings.from_env(), "mine.csv", f"question,answer\n{rows}".encode())
    app = open_page("data")
    app.session_state["uploads"] = [name]
    for page in ("data", "detect", "ablate", "steer"):
        follow(app, page, set=name, n="0", **{"means-n": "100", "controls": "0"})
        assert not app.exception and not app.error, page
        picker = app.selectbox("url-set")
        assert picker.value == name
        assert "mine.csv" in picker.options and "A file of your own …" in picker.options


def _asks_for_questions(app: AppTest) -> bool:
    return any(uploader.key != "bundle" for uploader in app.get("file_uploader"))


def test_asking_for_an_own_file_shows_the_uploader_until_another_set_is_chosen(open_page: Open) -> None:
    app = open_page("data", set="bundled", n="64")
    app.selectbox("url-set").select("own").run()
    assert app.selectbox("url-set").value == "own" and _asks_for_questions(app)
    assert app.query_params["set"] in ("bundled", ["bundled"]), "a link is never to no questions"
    app.selectbox("url-set").select("means").run()
    assert app.selectbox("url-set").value == "means" and not _asks_for_questions(app)
    assert not app.exception and not app.error


def test_the_links_of_a_page_read_what_they_wrote(open_page: Open) -> None:
    app = open_page("differences", pair="3.5", depth="2", **{"means-n": "100"})
    links = [parse_qs(element.proto.query_string) for element in app.get("page_link")]
    assert links
    for link in links:
        setup = SteerSetup.of(lambda name, link=link: link.get(name, []))  # type: ignore[misc]
        assert (setup.means_n, setup.methods) == (100, methods_of(link["steer"][0]))


def test_a_link_to_a_model_that_is_not_here_says_so(open_page: Open) -> None:
    app = open_page("inspect", model="nobody/no*thing*")
    assert not app.exception
    said = app.warning[0].value.replace("\\", "")
    assert said.startswith("'nobody/no*thing*' is not among the models of this server")
    next(box for box in app.selectbox if box.label == "Model").select("bundled-steps").run()
    assert not app.warning
