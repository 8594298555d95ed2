"""``python -m benchmarks.container``: the image built from the Dockerfile and run by podman; writes its part of docs/operations.md.

Needs root and Debian's ``apt-get install podman runc containernetworking-plugins debootstrap``, which is why it is no test. The base image
is not pulled but made by debootstrap, and takes the name that the Dockerfile asks for: what a registry serves under it may differ. Exits
with 1 when a promise is broken. ``--mount`` names what pip needs inside while it installs: its settings, folders of wheels.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.proxy import asked, free_port
from benchmarks.sections import rewrite
from benchmarks.sessions import Tab, View, Visit
from codi_core.problems.generate import generate
from codi_core.settings import ROOT
from codi_core.version import code_version

DOCUMENT, HEADING = ROOT / "docs" / "operations.md", "## The container"
BASE, IMAGE, NAME, VOLUME = "docker.io/library/python:3.11-slim", "codi-explorer", "codi-proof", "codi-proof-data"
RELEASE, PACKAGES = "bookworm", "python3,python3-venv,python-is-python3,ca-certificates"
LIMITS = ("--ulimit", "nofile=1024:4096", "--ulimit", "nproc=4096:4096")
"""Podman's own are above what a process may have that may not raise its limits."""
STRICT = ("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges")
WRITABLE = "test -w /data/cache -a ! -w /app -a ! -w /venv"
MODEL, PATIENCE = "bundled-steps", 300.0
EVAL = ("python", "-m", "codi_core", "eval", "--model", MODEL, "--eval-set", "templates", "--n", "16", "--json")
ABOUT = """Written by `python -m benchmarks.container`, code `{code}`: {podman} ran every step of the `Dockerfile`, as it is, with what
`.dockerignore` lets in, and started the result. {size} MB, of which {base} MB are the base, {venv} MB `/venv` and {app} MB `/app`.
"""
NOT_PROVEN = """Not proven: the base was a Debian {release} made by debootstrap (Python {python}) under the name
`python:3.11-slim`, which could not be pulled. pip had `TORCH_INDEX={index}` and of that machine {mounts}: torch did not come from
PyTorch's index. Health was asked by `podman healthcheck run`, not by a timer. Docker's own engine, `compose.yaml` and its `gpu` service
were not run.
"""
Podman = Callable[..., str]


def podman_in(scratch: Path) -> Podman:
    """Images, volumes and containers of its own, in one folder."""
    command = ["podman", "--root", str(scratch / "storage"), "--runroot", str(scratch / "run"), "--storage-driver", "overlay"]
    command += ["--cgroup-manager", "cgroupfs", "--runtime", "runc"]

    def podman(*arguments: str) -> str:
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"podman {' '.join(arguments)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return done.stdout.strip()

    return podman


def make_base(podman: Podman, scratch: Path) -> None:
    tree, archive = scratch / "base", scratch / "base.tar"
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(tree)], check=True)
    subprocess.run(["tar", "-C", str(tree), "--exclude=./var/cache/apt/archives/*.deb", "-cf", str(archive), "."], check=True)
    podman("import", "--change", 'CMD ["python3"]', str(archive), BASE)
    archive.unlink()


def build(podman: Podman, index: str, mounts: list[str]) -> None:
    shared = [word for path in mounts for word in ("--volume", f"{path}:{path}:ro")]
    options = ["--isolation", "chroot", "--network", "host", "--pull=never", "--format", "docker", *shared]
    podman("build", *options, "--build-arg", f"TORCH_INDEX={index}", "--tag", IMAGE, str(ROOT))


@contextmanager
def started(podman: Podman, *options: str) -> Iterator[None]:
    """A container that is removed in the end; its volume stays."""
    podman("run", "--detach", "--name", NAME, "--volume", f"{VOLUME}:/data", "--health-interval", "disable", *LIMITS, *options, IMAGE)
    try:
        deadline = time.monotonic() + PATIENCE
        while not healthy(podman) and time.monotonic() < deadline:
            time.sleep(1)
        yield
    finally:
        podman("rm", "--force", NAME)


def healthy(podman: Podman) -> bool:
    """As the HEALTHCHECK of the Dockerfile says."""
    try:
        podman("healthcheck", "run", NAME)
    except RuntimeError:  # unhealthy, or no answer within its time
        return False
    return True


def inside(podman: Podman, *command: str) -> str:
    return podman("exec", NAME, *command)


def succeeds(podman: Podman, *command: str) -> bool:
    try:
        inside(podman, *command)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return False
    return True


def stored(podman: Podman) -> str:
    """Files of the cache with owner, size and time."""
    return inside(podman, "sh", "-c", "find /data/cache -type f -path '*/evals/*' -printf '%p %U %s %T@\\n' | sort")


def visit(port: int) -> View:
    """The Inspect page, as a browser asks for it."""
    prompt = generate("test", 1, seed=9)[0].question
    return asyncio.run(Tab(port).visit(Visit("inspect", "", urlencode({"model": MODEL, "prompt": prompt, "intro": "closed"}))))


def alone(podman: Podman) -> Iterator[tuple[str, bool]]:
    """The first start: an empty volume, and no network but its own loopback."""
    with started(podman, "--network", "none"):
        yield "first start, with an empty volume and no network: the `HEALTHCHECK` command finds it healthy", healthy(podman)
        owner = inside(podman, "sh", "-c", "grep ^Uid /proc/1/status").split()[1:]
        yield "the server is user 1000, not root", set(owner) == {"1000"}
        yield "which may write `/data` and neither `/app` nor `/venv`", succeeds(podman, "sh", "-c", WRITABLE)
        yield "`codi_core doctor` passes inside", succeeds(podman, "python", "-m", "codi_core", "doctor")
        yield "`codi_core selfcheck` passes inside", succeeds(podman, "python", "-m", "codi_core", "selfcheck", "--model", MODEL)


def again(podman: Podman) -> Iterator[tuple[str, bool]]:
    """Told to stop, removed, and started anew on the volume that was kept, with all rights taken away."""
    port = free_port()
    published = ("--publish", f"127.0.0.1:{port}:8501")
    with started(podman, *published):
        yield "published at 127.0.0.1 as in `compose.yaml`, it answers from outside", asked(port, "/_stcore/health", {})[0] == 200
        before = visit(port)
        yield "a page answers over its websocket", bool(before.said) and not before.errors
        accuracy, files = json.loads(inside(podman, *EVAL)), stored(podman)
        owners = {line.split()[1] for line in files.splitlines()}
        yield "an evaluation is stored in the volume, by user 1000", owners == {"1000"}
        podman("stop", "--time", "20", NAME)
        code = podman("inspect", "--format", "{{.State.ExitCode}}", NAME)
        yield "told to stop, it ends by itself", code != "137"
    with started(podman, *published, *STRICT):
        yield f"a new container on that volume, with `{' '.join(STRICT)}`, is healthy", healthy(podman)
        after = visit(port)
        yield "the page says the same", after.said == before.said and not after.errors
        yield "the evaluation is found, not computed again", json.loads(inside(podman, *EVAL)) == accuracy and stored(podman) == files


def megabytes(podman: Podman) -> dict[str, int]:
    sizes = {name: podman("image", "inspect", "--format", "{{.Size}}", image) for name, image in (("size", IMAGE), ("base", BASE))}
    lines = podman("run", "--rm", *LIMITS, "--network", "none", IMAGE, "du", "-sm", "/venv", "/app").splitlines()
    return {name: int(size) // 10**6 for name, size in sizes.items()} | {line.split("/")[-1]: int(line.split()[0]) for line in lines}


def document(podman: Podman, index: str, mounts: list[str], found: list[tuple[str, bool]]) -> str:
    about = ABOUT.format(code=code_version(), podman=podman("--version"), **megabytes(podman))
    python = podman("run", "--rm", *LIMITS, "--network", "none", IMAGE, "python", "-c", "import platform as p; print(p.python_version())")
    rows = [f"| {promise} | {'yes' if held else '**no**'} |" for promise, held in found]
    left = NOT_PROVEN.format(release=RELEASE, python=python, index=index, mounts=", ".join(f"`{path}`" for path in mounts) or "nothing")
    return "\n".join([HEADING, "", about, "| | |", "|---|---|", *rows, "", left])


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.container", description=__doc__)
    parser.add_argument("--scratch", type=Path, help="where images are kept, and found again (default: nowhere)")
    parser.add_argument("--torch-index", default="https://download.pytorch.org/whl/cpu", metavar="URL")
    parser.add_argument("--mount", action="append", default=[], metavar="PATH", help="of this machine, for pip; repeatable")
    parser.add_argument("--dry", action="store_true", help="print only, write nothing")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("debootstrap and podman's chroot isolation need root")
    with tempfile.TemporaryDirectory() as nowhere:
        scratch = args.scratch or Path(nowhere)
        podman = podman_in(scratch)
        if BASE not in podman("images", "--format", "{{.Repository}}:{{.Tag}}"):
            make_base(podman, scratch)
        build(podman, args.torch_index, args.mount)
        podman("volume", "create", VOLUME)
        try:
            found = [*alone(podman), *again(podman)]
        finally:
            podman("volume", "rm", VOLUME)
        text = document(podman, args.torch_index, args.mount, found)
    print(text)
    if not args.dry:
        rewrite(DOCUMENT, text)
    sys.exit(not all(held for _, held in found))


if __name__ == "__main__":
    main()
