"""A server with a log-in: a stranger sees a button and nothing else; whom the provider names sees the page, and can go again."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from playwright.sync_api import Browser, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.browser.conftest import free_port, running_server

CLIENT = "codi"
WHO = "ada@example.org"


class Provider:
    """The least that OpenID Connect asks for (openid.net/specs/openid-connect-core-1_0.html): everybody is Ada."""

    def __init__(self, port: int) -> None:
        self.port, self.address = port, f"http://127.0.0.1:{port}"
        self._key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
        self._nonces: dict[str, str] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        routes = [
            Route("/.well-known/openid-configuration", self._metadata),
            Route("/keys", lambda _: JSONResponse({"keys": [self._key.as_dict(private=False)]})),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
        ]
        server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=self.port, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        yield
        server.should_exit = True
        thread.join()

    def _metadata(self, _: Request) -> Response:
        ends = {f"{name}_endpoint": f"{self.address}/{path}" for name, path in (("authorization", "authorize"), ("token", "token"))}
        return JSONResponse(ends | {"issuer": self.address, "jwks_uri": f"{self.address}/keys"})

    def _authorize(self, request: Request) -> Response:
        asked, code = request.query_params, secrets.token_urlsafe(8)
        self._nonces[code] = asked["nonce"]
        return RedirectResponse(f"{asked['redirect_uri']}?code={code}&state={asked['state']}")

    async def _token(self, request: Request) -> Response:
        code = str((await request.form())["code"])
        now = int(time.time())
        named = {"iss": self.address, "aud": CLIENT, "sub": "1", "email": WHO, "nonce": self._nonces[code], "iat": now, "exp": now + 600}
        token = jwt.encode({"alg": "RS256", "kid": "1"}, named, self._key)
        return JSONResponse({"access_token": "-", "token_type": "Bearer", "id_token": token})


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port, provider = tmp_path_factory.mktemp("login"), free_port(), Provider(free_port())
    secret = folder / "secrets.toml"
    secret.write_text(settings(port, provider), encoding="utf-8")
    with provider.running(), running_server(folder / "cache", port=port, options=["--secrets.files", str(secret)]) as address:
        yield address


def settings(port: int, provider: Provider) -> str:
    values = {
        "redirect_uri": f"http://127.0.0.1:{port}/oauth2callback",
        "cookie_secret": secrets.token_urlsafe(32),
        "client_id": CLIENT,
        "client_secret": secrets.token_urlsafe(32),
        "server_metadata_url": f"{provider.address}/.well-known/openid-configuration",
    }
    return "[auth]\n" + "".join(f'{name} = "{value}"\n' for name, value in values.items())


def test_nobody_passes_without_a_name(address: str, browser: Browser) -> None:
    page, stranger = browser.new_page(), browser.new_page()
    page.goto(f"{address}/steer")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("grid")).to_be_visible()
    page.goto(f"{address}/model")
    expect(page.get_by_text(f"Logged in as {WHO}")).to_be_visible()
    stranger.goto(f"{address}/model")  # after somebody else, and straight to a page
    expect(stranger.get_by_role("button", name="Log in")).to_be_visible()
    expect(stranger.get_by_role("combobox")).to_have_count(0)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
