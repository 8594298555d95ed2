"""``python -m benchmarks.proxy``: the server behind nginx and behind Caddy, with their files in docs/serving, and whether what
docs/serving.md says holds.

Needs both commands (Debian: ``apt-get install nginx-light caddy``), which is why it is no test. Exits with 1 when a promise is broken.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codi_core.settings import ROOT

HOST = "codi.example.org"
ORIGIN = f"https://{HOST}"
WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
PATIENCE = 300.0
SERVING = ROOT / "docs" / "serving"
HEALTH = "/_stcore/health"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, path: str) -> Iterator[None]:
    """A process that answers at a path in the end."""
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "CODI_MODELS": "bundled,bundled-steps", "HF_HUB_OFFLINE": "1"})
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if asked(port, path, {})[0] == 200:
                    break
            except OSError:
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(30)


def asked(port: int, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"Host": HOST, **headers})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def checks(port: int) -> Iterator[tuple[str, bool]]:
    status, headers = asked(port, "/", {"Accept-Encoding": "gzip"})
    yield "the page comes", status == 200
    for name in ("content-security-policy", "x-content-type-options", "referrer-policy", "x-frame-options"):
        yield f"with {name}", name in headers
    yield "compressed", headers.get("content-encoding") == "gzip"
    stream = "/_stcore/stream"
    yield "its websocket opens at the public name", asked(port, stream, {**WEBSOCKET, "Origin": ORIGIN})[0] == 101
    yield "not for another site", asked(port, stream, {**WEBSOCKET, "Origin": "https://evil.example"})[0] != 101
    yield "not at another name", asked(port, stream, {**WEBSOCKET, "Host": "evil.example", "Origin": "https://evil.example"})[0] != 101


def nginx(scratch: Path, inner: int, outer: int) -> list[str]:
    """Its command, with a configuration around the file."""
    site = (SERVING / "nginx.conf").read_text(encoding="utf-8")
    site = site.replace("listen 8080", f"listen 127.0.0.1:{outer}").replace("127.0.0.1:8501", f"127.0.0.1:{inner}")
    logs = f"pid {scratch}/pid; error_log {scratch}/error.log; daemon off; events {{}}"
    types = "include /etc/nginx/mime.types; default_type application/octet-stream;"
    config = scratch / "nginx.conf"
    config.write_text(f"{logs}\nhttp {{ access_log off; {types}\n{site}\n}}\n", encoding="utf-8")
    return [command("nginx"), "-p", str(scratch), "-c", str(config)]


def caddy(scratch: Path, inner: int, outer: int) -> list[str]:
    """Without certificates: nobody would give one for this name."""
    site = (SERVING / "Caddyfile").read_text(encoding="utf-8")
    site = site.replace(f"{HOST} {{", f"http://{HOST}:{outer} {{\n    bind 127.0.0.1").replace("127.0.0.1:8501", f"127.0.0.1:{inner}")
    config = scratch / "Caddyfile"
    config.write_text(f"{{\n    admin off\n}}\n{site}", encoding="utf-8")
    return [command("caddy"), "run", "--adapter", "caddyfile", "--config", str(config)]


def command(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        sys.exit(f"There is no {name} command: apt-get install nginx-light caddy")
    return found


def main() -> None:
    inner, found = free_port(), list[tuple[str, bool]]()
    server = [sys.executable, "-m", "streamlit", "run", "server.py", "--server.port", str(inner), "--server.allowedHosts", HOST]
    server += ["--server.corsAllowedOrigins", ORIGIN]
    with running(server, inner, HEALTH), tempfile.TemporaryDirectory() as scratch:
        for proxy in (nginx, caddy):
            outer = free_port()
            with running(proxy(Path(scratch), inner, outer), outer, HEALTH):
                found += [(f"{proxy.__name__}: {promise}", held) for promise, held in checks(outer)]
    for promise, held in found:
        print("held  " if held else "BROKEN", promise)
    sys.exit(not all(held for _, held in found))


if __name__ == "__main__":
    main()
