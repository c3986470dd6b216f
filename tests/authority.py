"""A certificate authority of the tests' own, as companies have them, and https endpoints that it vouches for."""

from __future__ import annotations

import pathlib
import ssl
import warnings

with warnings.catch_warnings():
    # A package below it warns of Python 3.8.
    warnings.simplefilter("ignore")
    import trustme

# The names that an endpoint's certificate holds by default.
NAMES = ("127.0.0.1", "localhost", "ingest.test")


class Authority:
    """An authority whose certificate is in `file`, and in `folder` under the name by which OpenSSL finds it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._made = trustme.CA()
        self.folder = folder / "authorities"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = self.folder / "authority.pem"
        self.file.write_bytes(self._made.cert_pem.bytes())

    def context(self, *names: str) -> ssl.SSLContext:
        """Return the TLS context of a server with a certificate for `names`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._made.issue_cert(*(names or NAMES)).configure_cert(context)
        return context
