"""The dashboard as a process, and browser tabs as their server sees them: Streamlit's websocket messages, without a browser."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from benchmarks.proxy import free_port
from codi_core.settings import ROOT

ANNOUNCED = re.compile(rb'"name": ?"([\w-]+)", ?"text": ?"((?:[^"\\]|\\.)*)"')
"""What a page tells those who do not see it: its answer, its accuracy (ui/widgets/announce)."""
PATIENCE = 300.0
LOST = (WebSocketException, OSError, TimeoutError)
"""What a tab meets when its server goes."""


@dataclass(frozen=True)
class Visit:
    kind: str
    page: str
    query: str


@dataclass(frozen=True)
class View:
    """What a visitor read when the page was complete."""

    said: dict[str, str]
    texts: tuple[str, ...]
    errors: tuple[str, ...]
    seconds: float


class Tab:
    """One browser tab as its server sees it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket: ClientConnection | None = None
        self._forget()

    async def visit(self, visit: Visit) -> View:
        """Raises what LOST names when the server goes."""
        await self.ask(visit)
        return await self._read()

    async def ask(self, visit: Visit) -> None:
        """Send the address, and wait for nothing. What was chosen on the page before stays there, as in a browser."""
        self._page, self._query, self._states = visit.page, visit.query, {}
        await self._run()

    async def upload(self, choice: str, option: str, field: str, name: str, content: bytes) -> View:
        """Choose an option of a select box, and bring the file that its page then asks for."""
        self._states[self._ids[choice]] = WidgetState(id=self._ids[choice], string_value=option)
        await self._run()
        await self._read()
        urls = await self._file_urls(name)
        await asyncio.to_thread(_put, f"http://127.0.0.1:{self.port}", urls.upload_url, name, content)
        state = WidgetState(id=self._ids[field])
        state.file_uploader_state_value.uploaded_file_info.add(file_id=urls.file_id, name=name, size=len(content), file_urls=urls)
        self._states[state.id] = state
        await self._run()
        return await self._read()

    async def close(self) -> None:
        if self._socket is not None:
            with suppress(*LOST):
                await self._socket.close()
        self._forget()

    def _forget(self) -> None:
        self._socket = None
        self.opened = 0.0
        """When its socket was."""
        self._page = self._query = self._session = ""
        self._kept: dict[str, ForwardMsg] = {}
        self._ids: dict[str, str] = {}
        """Of select boxes and uploaders, by label."""
        self._states: dict[str, WidgetState] = {}

    async def _run(self) -> None:
        if self._socket is None:
            address = f"ws://127.0.0.1:{self.port}/_stcore/stream"
            self._socket = await connect(address, max_size=None, subprotocols=[Subprotocol("streamlit")])
            self.opened = time.monotonic()
        message = BackMsg()
        message.rerun_script.query_string, message.rerun_script.page_name = self._query, self._page
        message.rerun_script.cached_message_hashes.extend(self._kept)
        message.rerun_script.widget_states.widgets.extend(self._states.values())
        await self._socket.send(message.SerializeToString())

    async def _read(self) -> View:
        """Until the page is complete."""
        start, said, texts, errors = time.monotonic(), dict[str, str](), list[str](), list[str]()
        async for message in self._messages():
            element = message.delta.new_element
            said |= {name.decode(): json.loads(b'"' + text + b'"') for name, text in ANNOUNCED.findall(element.SerializeToString())}
            errors += _errors(element)
            kind = element.WhichOneof("type")
            if kind == "markdown":
                texts.append(element.markdown.body)
            elif kind in ("selectbox", "file_uploader"):
                widget = getattr(element, kind)
                self._ids[widget.label] = widget.id
            elif message.WhichOneof("type") == "page_info_changed":
                self._query = message.page_info_changed.query_string
            elif message.WhichOneof("type") == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return View(said, tuple(texts), tuple(errors), time.monotonic() - start)
        raise ConnectionError("the server closed the session")

    async def _file_urls(self, name: str) -> FileURLs:
        assert self._socket is not None
        message = BackMsg()
        message.file_urls_request.request_id, message.file_urls_request.session_id = uuid.uuid4().hex, self._session
        message.file_urls_request.file_names.append(name)
        await self._socket.send(message.SerializeToString())
        async for answer in self._messages():
            if answer.WhichOneof("type") == "file_urls_response":
                return answer.file_urls_response.file_urls[0]
        raise ConnectionError("the server closed the session")

    async def _messages(self) -> AsyncIterator[ForwardMsg]:
        assert self._socket is not None
        while True:
            raw = await asyncio.wait_for(self._socket.recv(), PATIENCE)
            assert isinstance(raw, bytes)
            message = ForwardMsg.FromString(raw)
            if message.WhichOneof("type") == "ref_hash":
                message = self._kept[message.ref_hash]
            elif message.metadata.cacheable:
                self._kept[message.hash] = message
            if message.WhichOneof("type") == "new_session":
                self._session = message.new_session.initialize.session_id
            yield message


def _put(address: str, path: str, name: str, content: bytes) -> None:
    """With the token against requests from other sites, which a page gets when it is loaded."""
    with urllib.request.urlopen(f"{address}/_stcore/health", timeout=PATIENCE) as answer:
        cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]
    edge = uuid.uuid4().hex
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/csv\r\n\r\n'
    body = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={edge}",
        "Cookie": cookie,
        "X-Xsrftoken": cookie.partition("=")[2],
    }
    request = urllib.request.Request(address + path, body, headers, method="PUT")
    with urllib.request.urlopen(request, timeout=PATIENCE):
        pass


def _errors(element: Element) -> list[str]:
    if element.WhichOneof("type") == "exception":
        return [element.exception.message]
    return [element.alert.body] if element.WhichOneof("type") == "alert" and element.alert.format == Alert.ERROR else []


class Server:
    """The dashboard in a process of its own."""

    def __init__(self, port: int, cache: Path, log: Path) -> None:
        self.port, self.cache, self.log = port, cache, log
        self.back = asyncio.Event()
        """Set while it answers."""
        self.since = 0.0
        """When it began to."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def up(self) -> bool:
        return self.back.is_set()

    async def restart(self) -> None:
        """As by kill -9, and up again."""
        self.kill()
        await self.start()

    async def start(self) -> None:
        command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "server.py"), "--server.port", str(self.port)]
        environment = {**os.environ, "CODI_CACHE_DIR": str(self.cache), "CODI_DEVICE": "cpu", "HF_HUB_OFFLINE": "1"}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(OSError):
                await self._get("/_stcore/health")
                self.back.set()
                self.since = time.monotonic()
                return
            await asyncio.sleep(0.2)
        raise TimeoutError("the server did not start")

    def kill(self) -> None:
        assert self._process is not None
        self.back.clear()
        self._process.kill()
        self._process.wait()

    async def line(self) -> int:
        text = await self._get("/metrics")
        found = re.search(r"^codi_line (\S+)$", text, re.MULTILINE)
        assert found, text
        return int(float(found[1]))

    async def _get(self, path: str) -> str:
        def get() -> bytes:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                found: bytes = answer.read()
                return found

        return (await asyncio.to_thread(get)).decode()

    def held(self) -> tuple[int, int, int]:
        """Megabytes, threads, open files."""
        assert self._process is not None
        folder = Path(f"/proc/{self._process.pid}")
        status = (folder / "status").read_text(encoding="utf-8")
        numbers = {name: int(value) for name, value in re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE)}
        return numbers["VmRSS"] // 1024, numbers["Threads"], len(list((folder / "fd").iterdir()))


@asynccontextmanager
async def serving(log: Path) -> AsyncIterator[Server]:
    with tempfile.TemporaryDirectory() as cache:
        server = Server(free_port(), Path(cache), log)
        await server.start()
        try:
            yield server
        finally:
            server.kill()
