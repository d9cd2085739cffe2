"""The server of a run's page: a fixed table of addresses, to this machine or who has the token.

The files that it serves are those of the table; no path of a request is looked up.
"""

from __future__ import annotations

import ipaddress
import json
import re
import secrets
import socket
import socketserver
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from ppocr_ft.commands.watch.live_page import SHOWN_PICTURES, LivePage
from ppocr_ft.errors import UserInputError

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
FILES = {f"/{name}": name for name in SHOWN_PICTURES}
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer. The Content-Security-Policy is the page's own, or allows nothing."""
NOTHING = "default-src 'none'"
TEXT = "text/plain; charset=utf-8"
TIMEOUT_S = 30.0


class WatchServer(ThreadingHTTPServer):
    """Serves a page at ``url``. Another host than this machine alone gets a ``token``.

    Raises:
        UserInputError: nothing can be served on this host and port.
    """

    daemon_threads = True

    def __init__(self, host: str, port: int, page: LivePage) -> None:
        self.page = page
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            self.address_family, *_, address = found[0]
            super().__init__(address[:2], _Handler)  # type: ignore[arg-type]
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "no such host"
            raise UserInputError(
                f"nothing can be served on --host {host} --port {port}: {why}; "
                "--port 0 takes a free one"
            ) from error
        own = ipaddress.ip_address(str(self.server_address[0]))
        self.token = None if own.is_loopback else secrets.token_urlsafe()
        self.local_names = LOCAL_NAMES | {_in_url(str(own))}
        name = socket.gethostname() if own.is_unspecified else _in_url(str(own))
        query = "" if self.token is None else f"?token={self.token}"
        self.url = f"http://{name}:{self.server_address[1]}/{query}"

    def server_bind(self) -> None:
        """Take the address. The base class would ask a name server for its name."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print an error as one line, unless it is that the reader has gone."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"a request failed: {error!r}", file=sys.stderr)

    @property
    def cookie(self) -> str:
        """The name of the token's cookie; cookies don't know of ports, so it does."""
        return f"ppocr_ft_watch_{self.server_address[1]}"


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


class _Handler(BaseHTTPRequestHandler):
    server: WatchServer
    server_version, sys_version = "ppocr_ft", ""
    timeout = TIMEOUT_S

    def do_GET(self) -> None:
        """Answer with what the table has for the path, if the request may have it."""
        path, _, query = self.path.partition("?")
        token = parse_qs(query).get("token", [""])[0]
        if self.server.token is None and self._host() not in self.server.local_names:
            self._refuse(HTTPStatus.FORBIDDEN, "only by localhost or 127.0.0.1")
        elif not (self._is_right(token) or self._is_right(self._cookie())):
            self._refuse(HTTPStatus.FORBIDDEN, "only by the address that ppocr-ft watch printed")
        elif path == "/":
            page = self.server.page.current()
            new_token = self.server.token if self._is_right(token) else None
            self._send(page.html.encode(), "text/html; charset=utf-8", page.policy, new_token)
        elif path == "/state":
            state = {"version": self.server.page.current().version}
            self._send(json.dumps(state).encode(), "application/json")
        else:
            self._send_picture(path)

    do_HEAD = do_GET  # noqa: N815

    def _host(self) -> str:
        """Return the host that the browser thinks it speaks to, without the port."""
        return re.sub(r":\d+$", "", self.headers.get("Host", "")).lower()

    def _is_right(self, token: str) -> bool:
        right = self.server.token
        return right is None or secrets.compare_digest(token.encode(), right.encode())

    def _cookie(self) -> str:
        pairs = (pair.strip().partition("=") for pair in self.headers.get("Cookie", "").split(";"))
        return next((value for name, _, value in pairs if name == self.server.cookie), "")

    def _send_picture(self, path: str) -> None:
        name = FILES.get(path)
        try:
            content = None if name is None else (self.server.page.folder / name).read_bytes()
        except OSError:
            content = None
        if content is None:
            self._refuse(HTTPStatus.NOT_FOUND, "not here")
        else:
            self._send(content, "image/jpeg")

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._send(f"{status.value}: {why}\n".encode(), TEXT, status=status)

    def _send(
        self,
        content: bytes,
        kind: str,
        policy: str = NOTHING,
        new_token: str | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", policy)
        if new_token is not None:
            cookie = f"{self.server.cookie}={new_token}; Path=/; HttpOnly; SameSite=Strict"
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def end_headers(self) -> None:
        """Add what every answer has, an error's too."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of requests: their addresses may have the token."""
