"""Settings come from CODI_* variables, and never reach a key."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from codi_core.errors import InputError
from codi_core.keys import key_of
from codi_core.settings import ROOT, Settings


def test_defaults_need_no_environment() -> None:
    assert Settings.from_env({}) == Settings()
    assert Settings().model == "bundled-steps"
    assert Settings().bundled_dir == ROOT / "cache" / "bundled"


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("cache_dir", "/somewhere/cache", Path("/somewhere/cache")),
        ("model", "codi-gpt2", "codi-gpt2"),
        ("device", "cpu", "cpu"),
        ("dtype", "float32", "float32"),
        ("threads", "2", 2),
        ("backend", "ray", "ray"),
        ("ray_address", "auto", "auto"),
        ("workers", "3", 3),
        ("models", "bundled, owner/repo", ("bundled", "owner/repo")),
        ("most_work", "5000", 5_000),
        ("most_questions", "0", 0),
        ("most_upload_mb", "1", 1),
    ],
)
def test_every_field_has_its_variable(field: str, text: str, value: object) -> None:
    given = Settings.from_env({f"CODI_{field.upper()}": text})
    assert given == dataclasses.replace(Settings(), **{field: value})


def test_the_table_above_misses_no_field() -> None:
    known = {"cache_dir", "model", "device", "dtype", "threads", "backend", "ray_address", "workers", "models"}
    known |= {"most_work", "most_questions", "most_upload_mb"}
    assert {f.name for f in dataclasses.fields(Settings)} == known


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert Settings.from_env({"CODI_CACHE_DIR": "~/codi"}).cache_dir == Path("/home/someone/codi")


def test_a_home_that_is_nobodys_is_named() -> None:
    with pytest.raises(InputError, match=r"~nosuchuser/x.*no such home"):
        Settings.from_env({"CODI_CACHE_DIR": "~nosuchuser/x"})


def test_more_threads_than_any_machine_has_are_refused() -> None:
    with pytest.raises(InputError, match="999,999 threads"):
        Settings.from_env({"CODI_THREADS": "999999"})


def test_an_empty_variable_means_the_default() -> None:
    assert Settings.from_env({"CODI_MODEL": "", "CODI_THREADS": ""}) == Settings()


def test_the_process_environment_is_the_default_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODI_MODEL", "codi-gpt2")
    assert Settings.from_env().model == "codi-gpt2"


def test_moving_the_cache_does_not_move_what_ships() -> None:
    assert Settings.from_env({"CODI_CACHE_DIR": "/elsewhere"}).bundled_dir == Settings().bundled_dir


def test_settings_are_frozen_and_cannot_be_hashed_into_a_key() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().model = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        key_of(Settings())


@pytest.mark.parametrize("name", ["CODI_THREADS", "CODI_WORKERS"])
def test_numbers_that_are_none_are_named(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} is 'many'"):
        Settings.from_env({name: "many"})


def test_an_unknown_backend_is_told_the_known_ones() -> None:
    with pytest.raises(InputError, match="CODI_BACKEND is 'slurm': use local or ray"):
        Settings.from_env({"CODI_BACKEND": "slurm"})
