"""The endpoint on loopback from which a managed identity's tokens come, as App Service and virtual machines have it."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

SECRET = "secret-of-the-identity-endpoint"  # noqa: S105 (it opens nothing)


class IdentityEndpoint:
    """Gives `token-1`, `token-2` and so on, or the `same` to everybody; each is good for `lifetime` seconds.

    `asked` are the queries of the requests so far, `app_service` and `machine` the environments that lead here.
    With a `status` it gives no token, and with `hang` it does not answer.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.lifetime = 3600
        self.status = 200
        self.same = False
        self.prefix = "token-"
        self.released = threading.Event()
        self.released.set()

    def __enter__(self) -> IdentityEndpoint:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"identity": self}))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.app_service = {"IDENTITY_ENDPOINT": f"{url}/msi/token", "IDENTITY_HEADER": SECRET}
        self.machine = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": url}
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def hang(self) -> None:
        """Take requests and answer none of them until the end."""
        self.released.clear()

    def answer(self, path: str, headers: Any) -> tuple[int, dict[str, Any]]:
        """Return status and body for a request."""
        place = urlsplit(path)
        allowed = {"/msi/token": headers["X-IDENTITY-HEADER"] == SECRET}
        allowed["/metadata/identity/oauth2/token"] = headers["Metadata"] == "true"
        if not allowed.get(place.path):
            return 403, {"error": "forbidden"}
        self.asked.append(dict(parse_qsl(place.query)))
        token = f"{self.prefix}{1 if self.same else len(self.asked)}"
        self.released.wait()
        if self.status != 200:
            words = "AADSTS: no such identity\r\nTrace ID: 7"
            return self.status, {"error": "no", "error_description": words, "statusCode": 7, "message": words}
        ends = {"expires_on": str(int(time.time()) + self.lifetime), "expires_in": str(self.lifetime)}
        return 200, {"access_token": token, "token_type": "Bearer", "resource": self.asked[-1]["resource"], **ends}


class Handler(BaseHTTPRequestHandler):
    """One connection to the identity endpoint."""

    identity: IdentityEndpoint

    def do_GET(self) -> None:
        status, answer = self.identity.answer(self.path, self.headers)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
