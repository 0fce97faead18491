"""Fetching one file over http(s), going on where an interrupted download stopped."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deepfake_pipeline.engine import progress
from deepfake_pipeline.media.gate import Gate
from deepfake_pipeline.tables.errors import UserError

_CHUNK = 1 << 20
_ATTEMPTS = 4  # in a row that bring no byte
_PAUSE_SECONDS = 0.5  # before the second attempt, doubled before each further one
_CONNECT_SECONDS = 30
_SILENCE_SECONDS = 60  # without a byte
_ANSWER_SECONDS = 120  # from a request to the end of the answer's headers
_SLOWEST = 1024  # bytes a second, over each of the spans below: what sends less never ends
_SPAN_SECONDS = 60

_clock = time.monotonic


def download(url: str, scratch: Path, max_bytes: int, private_addresses: bool = False) -> Path:
    """Fetch a file into a folder; a later call goes on where an earlier one was interrupted.

    The part that arrived is kept beside its validator (entity tag or date) and size, and continued by an HTTP
    Range request if the server still has the same file; otherwise, or if the server ignores Range, it starts anew.
    A whole file of an earlier call is returned as it is.

    Args:
        url: http or https; may carry a user and a query, which no message repeats.
        scratch: folder for the part and the whole file; made if absent.
        max_bytes: size of the file at most.
        private_addresses: fetch from this machine and its own network too; see :class:`media.gate.Gate`.

    Returns:
        Path of the whole file, in ``scratch``, named by a hash of the url.

    Raises:
        UserError: the address leads to no public machine; the server cannot be reached, refuses, sends too much, or
            too slowly to ever end, or breaks off again and again; or the folder cannot hold the file.
    """
    _check_address(url)
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        target = _Target.of(url, scratch)
        return target.whole if target.whole.exists() else _persist(url, target, max_bytes, Gate(private_addresses))
    except OSError as error:
        raise UserError(f"{scratch}: cannot write there ({error.strerror})") from error


def _persist(url: str, target: _Target, max_bytes: int, gate: Gate) -> Path:
    """Ask again while the server breaks off, until several answers in a row bring nothing."""
    import aiohttp

    failures = 0
    while True:
        before = target.size()
        try:
            _fetch(url, target, max_bytes, gate)
            return target.finish()
        except FileNotFoundError as error:
            raise UserError(f"{shown(url)}: not found (404); check study.uri") from error
        except aiohttp.ClientResponseError as error:
            if error.status < 500 and error.status not in (416, 429):
                raise UserError(f"{shown(url)}: the server refuses ({error.status} {error.message})") from error
            problem: Exception = error
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            problem = error
        if gate.refused:
            raise UserError(
                f"{shown(url)}: leads to {gate.refused}, which is no public address; if you trust it, set "
                "ingestion.archive.private_addresses to true"
            ) from problem
        failures = 0 if target.size() > before else failures + 1
        if failures == _ATTEMPTS:
            raise UserError(
                f"{shown(url)}: cannot be fetched ({_cause(problem)}); run again to go on at byte {target.size():,}"
            ) from problem
        time.sleep(_PAUSE_SECONDS * 2 ** max(0, failures - 1))


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0  # looking at the port checks it
    except ValueError:
        valid = False
    if not valid:
        raise UserError("study.uri: not a valid http(s) address")


def shown(url: str) -> str:
    """An address without user, password and query, which may be secret.

    >>> shown("https://me:secret@host.org:8080/a/b.zip?token=1")
    'https://host.org:8080/a/b.zip'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True)
class _Version:
    """What tells one version of a remote file from another."""

    validator: str = ""  # for If-Range: a strong entity tag, or the date of the last change
    total: int = -1  # bytes; -1 is unknown

    @classmethod
    def of(cls, status: int, headers: Any) -> _Version:
        tag = headers.get("ETag", "")
        length = headers.get("Content-Range", "").rpartition("/")[2] if status == 206 else ""
        length = length or headers.get("Content-Length", "")
        return cls(
            validator=tag if tag.startswith('"') else headers.get("Last-Modified", ""),
            total=int(length) if length.isdecimal() else -1,
        )


@dataclass(frozen=True)
class _Target:
    """Where the bytes go: the part, what is known of its version, and the whole."""

    part: Path
    notes: Path
    whole: Path

    @classmethod
    def of(cls, url: str, scratch: Path) -> _Target:
        stem = hashlib.sha256(url.encode()).hexdigest()[:16]
        return cls(*(scratch / f"{stem}.{suffix}" for suffix in ("part", "json", "archive")))

    def size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def version(self) -> _Version:
        try:
            return _Version(**json.loads(self.notes.read_text()))
        except (OSError, ValueError, TypeError):
            return _Version()

    def restart(self, version: _Version) -> None:
        self.part.write_bytes(b"")
        self.notes.write_text(json.dumps(asdict(version)))

    def finish(self) -> Path:
        self.notes.unlink(missing_ok=True)
        return self.part.replace(self.whole)


def _fetch(url: str, target: _Target, max_bytes: int, gate: Gate) -> None:
    """One request, appended to the part; the part is whole when this returns."""
    known, start = target.version(), target.size()
    if start and start == known.total:
        return
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    if start and known.validator:
        headers["If-Range"] = known.validator
    with _open(url, headers, gate) as remote:
        status, answered = remote.r.status, remote.r.headers
        version = _Version.of(status, answered)
        if status != 206:
            target.restart(version)
        elif not answered.get("Content-Range", "").startswith(f"bytes {start}-") or version.total != known.total:
            target.restart(_Version())
            raise ConnectionError("the server continues another file")
        total = None if version.total < 0 else -(-version.total // _CHUNK)
        with target.part.open("ab") as part:
            free = shutil.disk_usage(target.part.parent).free
            if version.total - part.tell() > free:
                raise UserError(f"{target.part.parent}: {free:,} bytes are free, {shown(url)} has {version.total:,}")
            for chunk in progress(_paced(_chunks(remote), url), "downloading", total):
                part.write(chunk)
                if part.tell() > max_bytes:
                    raise UserError(f"{shown(url)}: more than {max_bytes:,} bytes; raise archive.max_total_bytes")
            if part.tell() < version.total:
                raise ConnectionError("the connection was cut")


def _open(url: str, headers: dict[str, str], gate: Gate) -> Any:
    import aiohttp
    import fsspec

    timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS)
    options = {"timeout": timeout, "trust_env": True}
    files = fsspec.filesystem(
        "http", client_kwargs=options, get_client=partial(_client, gate), skip_instance_cache=True
    )
    # block_size=0 makes it one stream; any size spares a HEAD request, which some servers refuse
    return files.open(url, block_size=0, size=1, headers=headers)


async def _client(gate: Gate, **options: Any) -> Any:
    import aiohttp

    connector = aiohttp.TCPConnector(socket_factory=gate.connect)
    return aiohttp.ClientSession(connector=connector, middlewares=[gate.request, _prompt], **options)


async def _prompt(asked: Any, send: Any) -> Any:
    """Middleware of aiohttp, whose own limits begin anew with every byte: headers that only trickle in end as well."""
    async with asyncio.timeout(_ANSWER_SECONDS):
        return await send(asked)


def _paced(chunks: Iterable[bytes], url: str) -> Iterator[bytes]:
    """Chunks as they arrive, as long as they arrive at some pace."""
    since, arrived = _clock(), 0
    for chunk in chunks:
        yield chunk
        arrived += len(chunk)
        if _clock() - since < _SPAN_SECONDS:
            continue
        if arrived < _SLOWEST * _SPAN_SECONDS:
            raise UserError(f"{shown(url)}: sends less than {_SLOWEST:,} bytes a second; run again to go on")
        since, arrived = _clock(), 0


def _chunks(remote: Any) -> Iterator[bytes]:
    import aiohttp

    try:
        while chunk := remote.read(_CHUNK):
            yield chunk
    except (aiohttp.ClientError, TimeoutError, ConnectionError):
        remote.r.content._exception = None  # what arrived before the cut is good, but aiohttp would withhold it
        yield remote.r.content.read_nowait()
        raise


def _cause(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
