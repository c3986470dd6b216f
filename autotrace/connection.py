"""One HTTP connection to an endpoint, direct or through a proxy, every use of which ends by a given moment.

Sockets time out for each read alone, so that an endpoint that sends a byte now and then could hold its client for
ever. And requests are written here, not by http.client's connections: tools that trace outgoing calls patch those,
and what the exporter sends is nobody's outgoing call. A moment is a time of `time.monotonic()`.
"""

from __future__ import annotations

import io
import os
import socket
import ssl
import time
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from typing import Any, Callable, Mapping, NamedTuple
from urllib.parse import urlsplit

from .blocked import BlockedError
from .certificates import tls_context, variable_to_set
from .proxies import Proxy, find_proxy

# Bytes of an answer that are read at most.
_LONGEST_ANSWER = 1 << 20
# Seconds within which an endpoint answers that is well.
_SOON = 0.5
# OpenSSL's numbers for a certificate whose authority is not known here.
_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)


class Reply(NamedTuple):
    """An answer: `headers` has the `get` of a mapping, whatever the case of a name."""

    status: int
    headers: Any
    body: bytes


class Connection:
    """An open connection for requests to one endpoint. `reusable` tells whether it can take another."""

    def __init__(self, sock: socket.socket, host: str, prefix: str, headers: Mapping[str, str]) -> None:
        self.reusable = True
        self._socket = sock
        self._host = host
        self._prefix = prefix
        self._headers = headers

    def post(
        self, path: str, headers: Mapping[str, str], body: bytes, end: float, handed: Callable[[bool], object]
    ) -> Reply:
        """Post a body to a path below the endpoint's own; see `Transport.post` for `handed`.

        Raises OSError, HTTPException or ValueError for what an endpoint or network does; ConnectionError when the
        endpoint closed the connection.
        """
        self.reusable = False
        fields = {"Host": self._host, **self._headers, **headers, "Content-Length": len(body)}
        lines = [f"POST {self._prefix}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        # An endpoint that wants no more of a body may have said why before it closed.
        with suppress(ConnectionError):
            _send(self._socket, "\r\n".join([*lines, "", ""]).encode("ascii") + body, end)
        handed(True)
        response = HTTPResponse(_Receiver(self._socket, end, lambda: handed(False)), method="POST")  # type: ignore[arg-type]
        try:
            response.begin()
            answer = self._read(response)
            self.reusable = response.isclosed() and not response.will_close
            return Reply(response.status, response.headers, answer)
        finally:
            response.close()

    def _read(self, response: HTTPResponse) -> bytes:
        try:
            return response.read(_LONGEST_ANSWER)
        except (OSError, HTTPException):
            # The status is the answer, but where only the body tells what became of each item.
            if response.status in (206, 400):
                raise
            return b""

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def abandon(self) -> None:
        """Close a forked child's copy of it. The parent goes on with its own, so TLS is told nothing."""
        descriptor = self._socket.detach()
        if descriptor >= 0:
            os.close(descriptor)


class _Receiver(io.RawIOBase):
    """The receiving side of a socket; every read ends by one moment. `late` is called when none of it comes soon."""

    def __init__(self, sock: socket.socket, end: float, late: Callable[[], object] | None = None) -> None:
        self._socket = sock
        self._end = end
        self._late = late

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return the file that HTTPResponse reads from."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        late, self._late = self._late, None
        if late is not None:
            self._socket.settimeout(min(_SOON, _left(self._end)))
            try:
                return self._socket.recv_into(buffer)
            except socket.timeout:
                late()
        self._socket.settimeout(_left(self._end))
        return self._socket.recv_into(buffer)


def connect(endpoint: str, end: float) -> Connection:
    """Open a connection to an http or https URL; raises OSError, BlockedError where somebody has to do something."""
    parts = urlsplit(endpoint)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    proxy = find_proxy(parts.scheme, host, port)
    sock = _open(host, port, end) if proxy is None else _open_proxy(proxy, end)
    try:
        if proxy is not None and secure:
            _tunnel(sock, proxy, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", end)
        if secure:
            sock = _secure(sock, host, end)
    except BaseException:
        sock.close()
        raise
    if proxy is None or secure:
        return Connection(sock, parts.netloc, parts.path, {})
    # Without TLS the proxy gets the whole URL, and its own credentials with each request.
    return Connection(sock, parts.netloc, f"http://{parts.netloc}{parts.path}", _credentials(proxy))


def _open(host: str, port: int, end: float) -> socket.socket:
    """Connect to the first address of a host that answers; each has its share of the time that is left."""
    addresses = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    failure: OSError = OSError(f"{host} has no address")
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left(end) / (len(addresses) - index))
            sock.connect(address)
            # A request is one piece, which need not wait for another.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure


def _open_proxy(proxy: Proxy, end: float) -> socket.socket:
    try:
        return _open(proxy.host, proxy.port, end)
    except OSError as error:
        raise OSError(f"{proxy}: {error}") from error


def _tunnel(sock: socket.socket, proxy: Proxy, place: str, end: float) -> None:
    """Ask a proxy for a tunnel to `place`, written host:port."""
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    lines += [f"{name}: {value}" for name, value in _credentials(proxy).items()]
    _send(sock, "\r\n".join([*lines, "", ""]).encode("ascii"), end)
    # As the answer to a HEAD: behind its headers the tunnel begins.
    response = HTTPResponse(_Receiver(sock, end), method="HEAD")  # type: ignore[arg-type]
    try:
        response.begin()
    except (OSError, HTTPException) as error:
        raise OSError(f"{proxy}: {error or type(error).__name__}") from error
    finally:
        response.close()
    if response.status == 407:
        raise BlockedError(
            "407", f"{proxy} wants a user name and a password, or others: http://user:password@host:port"
        )
    if 400 <= response.status < 500:
        raise BlockedError("proxy", f"{proxy} lets nothing through to {place}: it answers {response.status}")
    if response.status != 200:
        raise OSError(f"{proxy} answers {response.status}")


def _credentials(proxy: Proxy) -> dict[str, str]:
    return {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}


def _secure(sock: socket.socket, host: str, end: float) -> socket.socket:
    """Put TLS on a connection; the host's certificate has to fit its name and come from a known authority."""
    context = tls_context(os.getpid())
    sock.settimeout(_left(end))
    try:
        return context.wrap_socket(sock, server_hostname=host.rstrip("."))
    except ssl.SSLCertVerificationError as error:
        advice = f": name a file with its authority in {variable_to_set()}"
        if error.verify_code not in _UNKNOWN_AUTHORITY:
            advice = ""
        raise BlockedError("certificate", f"certificate verify failed ({error.verify_message}){advice}") from error


def _send(sock: socket.socket, data: bytes, end: float) -> None:
    view = memoryview(data)
    while view:
        sock.settimeout(_left(end))
        view = view[sock.send(view) :]


def _left(end: float) -> float:
    """Return the seconds until a moment; raises TimeoutError when it has passed."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left
