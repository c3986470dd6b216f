"""Which certificates are trusted: the system's, or those that the variables of OpenSSL, requests and curl name.

There is no way to turn the verification off.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

from . import guard

# What requests and curl are told to trust wins over what OpenSSL is told, as it does for requests.
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@lru_cache(maxsize=1)
def tls_context(pid: int) -> ssl.SSLContext:
    """Return the TLS context of the process `pid`, made at the first call: that takes some 20 ms.

    A forked child makes its own: another thread may have held a lock of the parent's at the fork.
    """
    context = _of_bundle() or _of_system()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def variable_to_set() -> str:
    """Return the variable in whose file one more authority would be trusted."""
    return next((variable for variable in _BUNDLES if os.environ.get(variable)), "SSL_CERT_FILE")


def _of_bundle() -> ssl.SSLContext | None:
    """Return a context that trusts what requests and curl are told to trust, and nothing else; None without that."""
    for variable in _BUNDLES:
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            if os.path.isdir(path):
                return ssl.create_default_context(capath=path)
            return ssl.create_default_context(cafile=path)
        except OSError as error:
            _say_ignored(variable, path, error)
    return None


def _of_system() -> ssl.SSLContext:
    """Return a context that trusts what OpenSSL does; it passes over what it cannot read without a word."""
    context = ssl.create_default_context()
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        if file:
            context.load_verify_locations(file)
    except OSError as error:
        _say_ignored("SSL_CERT_FILE", file, error)
        file = None
    if folder and not os.path.isdir(folder):
        _say_ignored("SSL_CERT_DIR", folder, "it is no directory")
        folder = None
    if not file and not folder:
        # An empty or bad value has kept OpenSSL from its own places.
        built_in = ssl.get_default_verify_paths()
        if os.path.isfile(built_in.openssl_cafile):
            context.load_verify_locations(built_in.openssl_cafile)
        context.load_verify_locations(capath=built_in.openssl_capath)
    return context


def _say_ignored(variable: str, path: str | None, error: object) -> None:
    reason = getattr(error, "strerror", None) or error
    if isinstance(error, ssl.SSLError):
        reason = "it holds no certificate in PEM format"
    used = "the system's certificates are used"
    guard.warn(f"certificates {variable}", f"{variable}={path} is ignored: {reason}; {used}")
