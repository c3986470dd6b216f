"""What a blacklist entry hides, in every spelling that people type."""

import pytest

from autotrace.blacklist import compile_entries


def environ(path="/", script="", **headers):
    values = {"PATH_INFO": path.encode("utf-8").decode("latin-1"), "SCRIPT_NAME": script, "wsgi.url_scheme": "http"}
    values.update({"SERVER_NAME": "10.0.0.1", "SERVER_PORT": "8000"})
    values.update({"HTTP_" + name.upper(): value for name, value in headers.items()})
    return values


HIDDEN = [
    ("/health", environ("/health")),
    ("health", environ("/health")),
    ("/health/", environ("/health")),
    ("health", environ("/health/")),
    ("health", environ("/health/live")),
    ("admin", environ("/admin/users")),
    ("static/", environ("/static/site.css")),
    ("/", environ("/")),
    ("/", environ("")),
    ("/shop/health", environ("/health", script="/shop")),
    ("/health", environ("/health", script="/shop")),
    ("/caf%C3%A9", environ("/café")),
    ("/café", environ("/café/menu")),
    ("/a b", environ("/a b")),
    ("re:^/v[0-9]{1,2}/ping$", environ("/v12/ping")),
    ("re:(?i)HEALTH", environ("/x/health")),
    ("re:^/a$|^/b$", environ("/b")),
    ("/api/*/health", environ("/api/v1/health")),
    ("/api/*/health", environ("/api/v1/health/")),
    ("*.css", environ("/static/deep/site.css")),
    ("api/*", environ("/api/x")),
    ("agent:AlwaysOn", environ("/any", user_agent="AlwaysOn")),
    ("agent:alwayson", environ("/any", user_agent="AlwaysOn/1.0")),
    ("agent:kube-probe/*", environ("/any", user_agent="kube-probe/1.29")),
    ("agent:ELB-HealthChecker", environ("/any", user_agent="ELB-HealthChecker/2.0")),
    ("https://example.com", environ("/any", host="example.com")),
    ("https://example.com", environ("/any", host="EXAMPLE.com:8443")),
    ("https://example.com/", environ("/any", host="example.com")),
    ("https://example.com/admin", environ("/admin/x", host="example.com")),
    ("https://example.com/shop/admin", environ("/admin", script="/shop", host="example.com")),
    ("http://example.com:8080", environ("/any", host="example.com:8080")),
    ("https://example.com:443", environ("/any", host="example.com")),
    ("http://10.0.0.1:8000", environ("/any")),
    ("http://[::1]:5000", environ("/any", host="[::1]:5000")),
    ("https://example.com", environ("/any", host="api.example.org", origin="https://example.com")),
    ("https://example.com", environ("/any", host="api.example.org", referer="https://example.com/page?x=1")),
    ("https://example.com", environ("/any", origin="null", referer="https://example.com/page")),
    (
        "https://example.com/admin",
        environ("/any", origin="https://example.com", referer="https://example.com/admin/page"),
    ),
    ("https://example.com/admin", environ("/any", referer="https://user:pw@example.com/admin?x")),
]

SHOWN = [
    ("admin", environ("/administrators")),
    ("/health", environ("/healthz")),
    ("/health", environ("/x/health")),
    ("/Health", environ("/health")),
    ("/", environ("/x")),
    ("/", environ("/", script="/shop")),
    ("re:^/ping$", environ("/ping/x")),
    ("/api/*/health", environ("/api/v1/healthz")),
    ("*.css", environ("/site.css.map")),
    ("agent:AlwaysOn", environ("/any", user_agent="AlwaysOnline")),
    ("agent:AlwaysOn", environ("/AlwaysOn")),
    ("https://example.com", environ("/any", host="example.com.evil.org")),
    ("https://example.com", environ("/any", host="www.example.com")),
    ("http://example.com:8080", environ("/any", host="example.com:8081")),
    ("http://example.com:8080", environ("/any", host="example.com")),
    ("http://example.com:8080", environ("/any", host="example.com:x")),
    ("https://example.com/admin", environ("/administrators", host="example.com")),
    ("https://example.com", environ("/any", origin="https://other.org", referer="https://example.com/")),
    ("https://example.com", environ("/https://example.com")),
    ("https://example.com/admin", environ("/any", origin="https://example.com")),
]


@pytest.mark.parametrize(("entry", "request_environ"), HIDDEN)
def test_entry_hides(entry, request_environ):
    assert compile_entries(["/unrelated", entry]).hides(request_environ)


@pytest.mark.parametrize(("entry", "request_environ"), SHOWN)
def test_entry_does_not_hide(entry, request_environ):
    assert not compile_entries(["/unrelated", entry]).hides(request_environ)


def test_no_entries_compile_to_nothing():
    assert compile_entries(["", "  "]) is None


@pytest.mark.parametrize("entry", ["re:(", "https://", "http://example.com:99999999"])
def test_malformed_entry_is_named(entry):
    with pytest.raises(ValueError, match=r"\(|https://|99999999"):
        compile_entries([entry])
