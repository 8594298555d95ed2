"""Names that come from a link or an upload are looked up, never used as paths."""

from __future__ import annotations

import pytest

from codi_core.errors import ArtifactError, DataError
from codi_core.services import uploads
from codi_core.services.uploads import eval_set_file, save_upload
from codi_core.settings import Settings
from codi_core.store import Store

PATHS = ("../../etc/passwd", "/etc/passwd", "..", ".", "", "a/b", "~root", "upload-0123456789ab.csv/../../x", "C:\\x", "x\0y")


@pytest.mark.parametrize("name", PATHS)
def test_a_link_opens_no_file_of_the_server(settings: Settings, name: str) -> None:
    with pytest.raises(DataError):
        eval_set_file(settings, name)


@pytest.mark.parametrize("name", PATHS)
def test_a_key_cannot_leave_the_cache(settings: Settings, name: str) -> None:
    with pytest.raises(ArtifactError):
        Store(settings).path("evals", name)


@pytest.mark.parametrize("name", ["../evil.csv", "/etc/cron.d/evil.csv", "evil.csv"])
def test_an_upload_is_kept_under_its_hash_alone(settings: Settings, name: str) -> None:
    stored = save_upload(settings, name, b"question,answer\nWhat is 1+1?,2\n")
    assert "evil" not in stored
    kept = {path for path in settings.cache_dir.parent.rglob("*") if path.is_file()}
    assert kept == {settings.cache_dir / "uploads" / name for name in (stored, f"{stored}.name")}  # the second says what it was called


def test_uploads_do_not_grow_without_end(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_UPLOADS", 2)
    names = [save_upload(settings, "mine.csv", f"question,answer\nWhat is 1+{n}?,{n + 1}\n".encode()) for n in range(4)]
    kept = {path.name.removesuffix(".name") for path in (settings.cache_dir / "uploads").iterdir()}
    assert kept == set(names[2:])


def test_a_file_that_cannot_be_read_is_not_kept(settings: Settings) -> None:
    with pytest.raises(DataError):
        save_upload(settings, "x.csv", b"nothing,of,this\n1,2,3\n")
    assert not list((settings.cache_dir / "uploads").iterdir())
