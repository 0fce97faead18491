"""A small web server on this machine, with the habits, good and bad, of real ones."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What is served under ``/faces.zip``, how, and what was asked for."""

    body: bytes
    ranges: bool = True
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"v1"'})
    cut_after: list[int] = field(default_factory=list)  # bytes after which each of the next answers breaks off
    statuses: list[int] = field(default_factory=list)  # of the next answers, instead of the file
    asked: list[dict[str, str]] = field(default_factory=list)
    drip: bool = False  # a byte at a time, as long as anybody listens
    trickle: bool = False  # the same with a header
    redirect: str = ""  # where another address is asked for
    url: str = ""

    @property
    def starts(self) -> list[str]:
        """The Range headers, in order."""
        return [headers.get("Range", "") for headers in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        site = self.site
        site.asked.append(dict(self.headers))
        status = site.statuses.pop(0) if site.statuses else 0
        if self.path.partition("?")[0] != "/faces.zip":
            status = 404
        if site.redirect:
            status = 302
        if status:
            self.send_response(status)
            if site.redirect:
                self.send_header("Location", site.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = self._start()
        part = site.body[start or 0 :]
        self.send_response(200 if start is None else 206)
        if site.trickle:
            self.flush_headers()
            self._drip(b"X-Slow: " + b"x" * 4000)
            return
        self.send_header("Content-Length", str(len(part)))
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(site.body) - 1}/{len(site.body)}")
        for name, value in site.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if site.drip:
            self._drip(part)
            return
        self.wfile.write(part[: site.cut_after.pop(0)] if site.cut_after else part)
        self.wfile.flush()
        self.close_connection = True

    def _drip(self, data: bytes) -> None:
        try:
            for byte in data:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.005)
        except OSError:
            self.close_connection = True

    def _start(self) -> int | None:
        asked = self.headers.get("Range", "")
        validators = [self.headers.get("If-Range"), None]
        if not self.site.ranges or not asked or validators[0] not in (*self.site.headers.values(), None):
            return None
        return int(asked.removeprefix("bytes=").partition("-")[0])

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(site: Site, host: str = "127.0.0.1") -> Iterator[Site]:
    """Serve the site on this machine while the context lasts; its ``url`` is set."""
    kind = type(
        "Server", (ThreadingHTTPServer,), {"address_family": socket.AF_INET6 if ":" in host else socket.AF_INET}
    )
    server = kind((host, 0), type("Handler", (_Handler,), {"site": site}))
    site.url = f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}/faces.zip"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
