"""The wheel, installed into an empty folder and used from another one: no source tree is near.

``CODI_WHEEL_VENV`` names an environment that has the wheel and its requirements and nothing else: `make wheel` makes one and tries it so.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from codi_core.settings import ROOT
from codi_core.version import version

VENV = os.environ.get("CODI_WHEEL_VENV", "")
pytestmark = pytest.mark.slow
PYTHON = str(Path(VENV, "bin", "python")) if VENV else sys.executable


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the package and its commands; what it depends on comes from this environment, unless another is named."""
    if VENV:
        return Path(VENV)
    dist, site = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", dist, ROOT], check=True, capture_output=True)
    (wheel,) = dist.glob("codi_explorer-*.whl")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(pip, check=True, capture_output=True)
    return site


@pytest.fixture
def away(installed: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has the package alone; their home is empty."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CODI_", "XDG_", "PYTHONPATH"))}
    found = {} if VENV else {"PYTHONPATH": str(installed)}
    return {**kept, **found, "HOME": str(tmp_path), "PATH": f"{installed / 'bin'}:{os.environ['PATH']}"}


def codi(away: dict[str, str], cwd: Path, *words: str) -> str:
    return subprocess.run(["codi", *words], cwd=cwd, env=away, check=True, capture_output=True, text=True).stdout


def test_a_model_that_ships_thinks_and_the_result_goes_to_the_users_cache(away: dict[str, str], tmp_path: Path) -> None:
    said = dict(line.split(maxsplit=1) for line in codi(away, tmp_path, "--version").splitlines())
    assert said["codi-explorer"].startswith(version()) and {"torch", "transformers"} <= set(said)
    for shipped in (ROOT / "cache" / "bundled" / "models").glob("*/model.safetensors"):
        assert said[shipped.parent.name] == f"sha256 {hashlib.sha256(shipped.read_bytes()).hexdigest()[:12]}"
    codi(away, tmp_path, "eval", "--eval-set", "templates", "--n", "2")
    made = [path for path in tmp_path.rglob("meta.json") if "evals" in path.parts]
    assert made and all("codi-explorer" in path.parts for path in made)


def test_the_dashboard_is_served_from_the_package(away: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([PYTHON, "-m", "codi_core", "dashboard", "--port", str(port)], cwd=tmp_path, env=away)
    try:
        assert answers(f"http://127.0.0.1:{port}/_stcore/health") == "ok"
    finally:
        server.terminate()
        server.wait(60)


def test_the_snippet_of_the_readme_runs(away: dict[str, str], tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    subprocess.run([PYTHON, "-c", snippet.replace("n=100, controls=20", "n=8, controls=2")], cwd=tmp_path, env=away, check=True)


def answers(address: str) -> str:
    deadline = time.monotonic() + 180  # a busy machine; a second or two otherwise
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5) as reply:
                return str(reply.read().decode())
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    return "nothing"
