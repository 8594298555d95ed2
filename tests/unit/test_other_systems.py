"""Windows and macOS: everything imports, stores and locks where what only Unix has is not there.

This process runs on Linux all the same, so the standard library's and psutil's halves for it are loaded first; after that nobody can import
what Windows lacks, and our own code does not find it in ``os`` and ``signal`` either.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from codi_core.settings import ROOT

GONE = ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")
ELSEWHERE = f"""
import asyncio, multiprocessing.resource_tracker, os, psutil, signal, sys, types

sys.modules.update(dict.fromkeys({GONE!r}))  # None: the import fails

class Bare(types.ModuleType):
    unix = {{
        *"chown chroot confstr fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpriority getuid initgroups".split(),
        *"killpg lchown major mkfifo mknod nice openpty pathconf posix_fadvise posix_spawn pread pwrite register_at_fork".split(),
        *"sched_getaffinity sendfile setpgid setsid statvfs sync sysconf ttyname uname wait wait3 wait4 O_NOFOLLOW".split(),
        *"SIGALRM SIGCHLD SIGHUP SIGKILL SIGQUIT SIGUSR1 SIGUSR2 alarm pause pthread_sigmask setitimer sigwait".split(),
    }}

    def __getattribute__(self, name):
        asking = sys._getframe(1).f_globals.get("__name__", "")
        if name in Bare.unix and (asking == "__main__" or asking.startswith("codi_core")):
            raise AttributeError(f"{{asking}} asks for {{name}}, which Windows does not have")
        return super().__getattribute__(name)

os.__class__ = signal.__class__ = Bare
assert not hasattr(os, "fork") and not hasattr(signal, "SIGKILL")
"""
EVERYTHING = """
import importlib, pkgutil
from dataclasses import dataclass
from pathlib import Path

import codi_core

def refused(name):
    raise

for module in pkgutil.walk_packages(codi_core.__path__, "codi_core.", onerror=refused):
    importlib.import_module(module.name)
import server

from codi_core.services.doctor import machine
from codi_core.settings import Settings
from codi_core.store import Store, save_json
from codi_core.sweeps.units import claim

@dataclass(frozen=True)
class Small:
    kind = "small"
    size: int

settings = Settings(cache_dir=Path(sys.argv[1]), device="cpu", threads=1)
store = Store(settings)
with store.write("tests", Small(3)) as folder:
    save_json(folder / "value.json", [1, 2])
(key,) = store.keys("tests")
assert store.read("tests", key).json("value.json") == [1, 2]
with claim(store, key, 0) as mine, claim(store, key, 0) as theirs, claim(store, key, 1) as another:
    assert (mine, theirs, another) == (True, False, True)
with claim(store, key, 0) as free:
    assert free
store.tidy()
assert {finding.state for finding in machine(settings)} <= {"ok", "warning"}
assert codi_core.load("bundled-steps", settings=settings).think("Tom has 3 apples. He buys 4 more. How many apples does he have?").answer
"""


@pytest.mark.slow
def test_everything_imports_stores_and_locks_without_unix(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::ImportWarning", "-c", ELSEWHERE + EVERYTHING, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_what_is_taken_away_is_away() -> None:
    for code in ("import fcntl", "os.fork()", "signal.SIGKILL"):
        assert subprocess.run([sys.executable, "-c", f"{ELSEWHERE}\n{code}"], cwd=ROOT, capture_output=True, check=False).returncode == 1


def test_no_function_imports_it_later() -> None:
    later = {
        f"{path.name}: {alias.name}"
        for path in (ROOT / "codi_core").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in (node.names if isinstance(node, ast.Import) else [ast.alias(node.module or "")])
        if alias.name.split(".")[0] in GONE
    }
    assert later == set()
