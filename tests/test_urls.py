"""Where a request went and whom it came from: URLs without secrets, and addresses as far as proxies are trusted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.recordings import record, said


def url_of(env: dict[str, str] | None = None, **variables: Any) -> str:
    """Return the URL that the item of a request has."""
    return str(said(record(env, **variables))["url"])


def ip_of(env: dict[str, str] | None = None, **variables: Any) -> str | None:
    """Return the client's address that the item of a request has."""
    address: str | None = record(env, **variables)["tags"].get("ai.location.ip")
    return address


QUERIES = {
    # setting → query string → what of it is recorded
    "redact": {
        "a=1": "?a=REDACTED",
        "a=1&b=2&a=3": "?a=REDACTED&b=REDACTED&a=REDACTED",
        "token": "?REDACTED",
        "a=1&SECRET": "?a=REDACTED&REDACTED",
        "a=1;SECRET": "?a=REDACTED",
        "a=b=c": "?a=REDACTED",
        "a=": "?a=REDACTED",
        "=SECRET": "?=REDACTED",
        "a=1&&b=2": "?a=REDACTED&&b=REDACTED",
        "%74oken=SECRET": "?%74oken=REDACTED",
        "ä=1".encode().decode("latin-1"): "?%C3%A4=REDACTED",
        'a"=1': "?a%22=REDACTED",
        "": "",
    },
    "keep": {"a=1&b=%20": "?a=1&b=%20", "token": "?token"},
    "drop": {"a=1&b=2": "", "token": ""},
    "page,sort": {
        "page=2&token=SECRET&sort=name": "?page=2&token=REDACTED&sort=name",
        "page=1;token=SECRET": "?page=REDACTED",
        "page=2&SECRET": "?page=2&REDACTED",
        "pages=2": "?pages=REDACTED",
        "%70age=2": "?%70age=REDACTED",
    },
}


@pytest.mark.parametrize(("setting", "query"), [(setting, query) for setting in QUERIES for query in QUERIES[setting]])
def test_query_strings(setting: str, query: str) -> None:
    url = url_of({"AUTOTRACE_URL_QUERY": setting}, QUERY_STRING=query)
    assert url == "http://shop.test/" + QUERIES[setting][query]


URLS: list[tuple[dict[str, Any], str]] = [
    ({"HTTP_HOST": "shop.test:80"}, "http://shop.test/"),
    ({"HTTP_HOST": "shop.test:443"}, "http://shop.test:443/"),
    ({"HTTP_HOST": "shop.test:443", "wsgi.url_scheme": "https"}, "https://shop.test/"),
    ({"HTTP_HOST": "Shop.TEST:8080"}, "http://shop.test:8080/"),
    ({"HTTP_HOST": "user:pass@shop.test"}, "http://shop.test/"),
    ({"HTTP_HOST": "[2001:db8::1]:8080"}, "http://[2001:db8::1]:8080/"),
    ({"HTTP_HOST": "[2001:db8::1]:80"}, "http://[2001:db8::1]/"),
    ({"HTTP_HOST": None}, "http://server.test:8000/"),
    ({"HTTP_HOST": None, "SERVER_NAME": "::1"}, "http://[::1]:8000/"),
    ({"HTTP_HOST": None, "SERVER_NAME": "/run/app.sock", "SERVER_PORT": ""}, "http://runapp.sock/"),
    ({"SCRIPT_NAME": "/below", "PATH_INFO": "/page"}, "http://shop.test/below/page"),
    ({"SCRIPT_NAME": "/below", "PATH_INFO": ""}, "http://shop.test/below"),
    ({"PATH_INFO": "/a b/ä".encode().decode("latin-1")}, "http://shop.test/a%20b/%C3%A4"),
    ({"PATH_INFO": "/100%/?#"}, "http://shop.test/100%25/%3F%23"),
    ({"PATH_INFO": "*"}, "http://shop.test/*"),
    ({"PATH_INFO": ""}, "http://shop.test/"),
    ({"PATH_INFO": "http://user:SECRET@shop.test/page"}, "http://shop.test/page"),
]  # fmt: skip


@pytest.mark.parametrize(("variables", "expected"), URLS)
def test_urls(variables: dict[str, Any], expected: str) -> None:
    assert url_of(**variables) == expected


FORWARDED = {
    "HTTP_X_FORWARDED_FOR": "198.51.100.1, 198.51.100.2 , 198.51.100.3",
    "HTTP_X_FORWARDED_PROTO": "https, http, https",
    "HTTP_X_FORWARDED_HOST": "evil.test, outer.test, inner.test:443",
}
BELIEVED = {
    "0": ("192.0.2.7", "http://shop.test/"),
    "1": ("198.51.100.3", "https://inner.test/"),
    "2": ("198.51.100.2", "http://outer.test/"),
    "3": ("198.51.100.1", "https://evil.test/"),
    "9": ("198.51.100.1", "https://evil.test/"),
}


@pytest.mark.parametrize("proxies", BELIEVED)
def test_only_trusted_proxies_are_believed(proxies: str) -> None:
    env = {"AUTOTRACE_TRUSTED_PROXIES": proxies}
    assert (ip_of(env, **FORWARDED), url_of(env, **FORWARDED)) == BELIEVED[proxies]
    assert (ip_of(env), url_of(env)) == BELIEVED["0"], "without the headers nothing changes"


ADDRESSES = {
    "192.0.2.7": "192.0.2.7",
    "192.0.2.7:4711": "192.0.2.7",
    "2001:db8::7": "2001:db8::7",
    "[2001:db8::7]": "2001:db8::7",
    "[2001:db8::7]:4711": "2001:db8::7",
    "2001:DB8:0::7": "2001:db8::7",
    "fe80::7%eth0": "fe80::7",
    "::ffff:192.0.2.7": "192.0.2.7",
    "unknown": None,
    "": None,
    "_hidden": None,
    "<script>": None,
    "999.1.1.1": None,
    "/run/app.sock": None,
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_have_no_port(address: str) -> None:
    assert ip_of(REMOTE_ADDR=address) == ADDRESSES[address]
    if address:
        env = {"AUTOTRACE_TRUSTED_PROXIES": "1"}
        assert ip_of(env, HTTP_X_FORWARDED_FOR="203.0.113.1, " + address) == ADDRESSES[address]
