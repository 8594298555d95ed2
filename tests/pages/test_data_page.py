"""The Data page on files people bring: how they were read stands there, and what was left out of them."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

from codi_core.problems.reading import Reading
from codi_core.services.bundle import bundle_sweep
from codi_core.services.shared.workbench import Workbench
from codi_core.services.uploads import eval_set_file, save_upload
from codi_core.settings import Settings
from tests.pages.conftest import Open

ROWS = [
    {"question": "Is 3 more than 2?", "answer": "yes", "story": "a"},
    {"question": "Is 2 more than 3?", "answer": "no", "story": "a"},
    {"question": "Is 7 more than 3?", "answer": "yes", "story": "b"},
    {"question": "Is 9 more than 3?"},
]
CONTENT = "\n".join(map(json.dumps, ROWS)).encode()


def upload(reading: Reading, name: str = "mine.jsonl") -> str:
    return save_upload(Settings(cache_dir=Path(os.environ["CODI_CACHE_DIR"])), name, CONTENT, reading)


def test_how_a_file_was_read_is_on_the_page(open_page: Open) -> None:
    app = open_page("data", set=upload(Reading(("story",), skip_bad=True)))
    assert not app.exception and not app.error
    captions = " ".join(caption.value for caption in app.caption).replace("\\", "")
    assert "true or false, or yes or no" in captions and "by story (2)" in captions
    assert [expander.label for expander in app.expander] == ["1 row of the file left out"]
    assert "row 4" in app.expander[0].text[0].value
    table = app.dataframe[0].value
    assert table["answer"].tolist() == ["yes", "no", "yes"] and table["groups"].tolist() == ["story:a", "story:a", "story:b"]


def test_an_upload_keeps_its_options_and_its_compression(tmp_path: Path) -> None:
    settings, reading = Settings(cache_dir=tmp_path), Reading(("story",), "text", True)
    name = save_upload(settings, "Mine.JSONL", CONTENT, reading)
    path = eval_set_file(settings, name)
    assert path.endswith("?group=story&rule=text&skip-bad=yes") and Path(path.partition("?")[0]).read_bytes() == CONTENT
    zipped = save_upload(settings, "mine.jsonl.gz", gzip.compress(CONTENT), reading)
    assert zipped.partition("?")[0].endswith(".jsonl.gz")


def test_a_bundle_is_taken_in_and_one_that_was_changed_is_refused(open_page: Open) -> None:
    name, content = bundle_sweep(Workbench(Settings(cache_dir=Path(os.environ["CODI_CACHE_DIR"]))), "526b7f57201cf776")
    app = open_page("data")
    app.file_uploader(key="bundle").set_value((name, content, "application/zip")).run()
    assert not app.error and any("is here already" in text.value.replace("\\", "") for text in app.markdown)
    app.file_uploader(key="bundle").set_value((name, content.replace(b"cells.csv", b"celIs.csv"), "application/zip")).run()
    assert len(app.error) == 1 and not any("is here already" in text.value for text in app.markdown)
