"""The command dashboard: serves the app of this tree or of the installed package."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import threading
import time
import urllib.error
import urllib.request
import webbrowser

from codi_core.cli.flags import positive
from codi_core.settings import ROOT, Settings

START_SECONDS = 120


def dashboard_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1, this machine only)")
    parser.add_argument("--port", type=positive, default=8501, help="(default 8501)")


def dashboard(args: argparse.Namespace) -> int:
    """serve the dashboard until Ctrl+C"""
    return _serve(args.host, args.port)


def demo(args: argparse.Namespace) -> int:
    """serve the dashboard and open its tour in the browser"""
    address = "127.0.0.1" if args.host == "0.0.0.0" else args.host
    threading.Thread(target=_open, args=(f"http://{address}:{args.port}",), daemon=True).start()
    return _serve(args.host, args.port)


def _serve(host: str, port: int) -> int:
    """In this process, so that whatever ends it ends the server. Streamlit reads its configuration where it is started, hence beside
    app.py; a relative cache stays where it was meant."""
    os.environ["CODI_CACHE_DIR"] = str(Settings.from_env().cache_dir.absolute())
    os.chdir(ROOT)
    sys.argv = ["streamlit", "run", "server.py", "--server.address", host, "--server.port", str(port)]
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)
    return 0


def _open(site: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{site}/_stcore/health", timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
        else:
            webbrowser.open(f"{site}/tour")
            return
