"""The pages in a real browser: content, live updates, the way from a figure to a stack, and hostile items."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import tempfile
from typing import Any, Callable, Iterator

import pytest

from tests.harness import Request, gunicorn, load, serve, wait_until
from tests.local.viewing import View, item, view
from tests.needs import module, need

PAGES = ("/", "/failures", "/performance", "/search", "/map", "/logs")
ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,1000"),
)
SECONDS = 20.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, driven over WebDriver."""
    webdriver = module("selenium.webdriver")
    programs = [shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")]
    need(all(programs), "chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory() as folder:
        for argument in (*ARGUMENTS, f"--user-data-dir={folder}"):
            options.add_argument(argument)
        # The driver is reached over loopback, whatever proxies there are.
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
        driver = webdriver.Chrome(options, webdriver.ChromeService(programs[1]))
        driver.set_page_load_timeout(60)
        try:
            yield driver
        finally:
            driver.quit()


def text(browser: Any) -> str:
    """Return what a reader sees of the page."""
    return str(browser.execute_script("return document.querySelector('main').innerText"))


def complaints(browser: Any) -> list[str]:
    """Return what the browser has complained of since the last time: scripts that fail, what the policy forbids."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] != "INFO"]


def go(browser: Any, viewer: View, path: str) -> None:
    """Open a page."""
    browser.get(f"http://127.0.0.1:{viewer.port}{path}")


def follow(browser: Any, find: str) -> None:
    """Click the first link whose text or address has `find` in it, and wait for its page."""
    before = browser.execute_script("return document.body.dataset.left = 'yes', location.href")
    script = """
    const found = [...document.querySelectorAll('main a')].find(
        (link) => link.innerText.includes(arguments[0]) || link.getAttribute('href').includes(arguments[0]));
    if (!found) return false;
    found.click();
    return true;
    """
    assert browser.execute_script(script, find), f"no link {find!r} on {before}"
    wait_until(lambda: browser.execute_script("return document.body && !document.body.dataset.left"), SECONDS)


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Iterator[Callable[..., None]]:
    """A Flask application under `autotrace run`, without a connection string, and what asks it for paths."""
    env = {"AUTOTRACE_EXPORTER": "", "AUTOTRACE_LOCAL_STORE": str(tmp_path / "store.db"), "AUTOTRACE_ROLE_NAME": "shop"}
    with serve(gunicorn("flask_app:app"), tmp_path / "shop", None, env) as server:
        yield lambda *paths: load(server.port, [Request("GET", path) for path in paths], connections=1)


def test_from_the_overview_to_a_transaction_and_its_exception(
    browser: Any, shop: Callable[..., None], tmp_path: pathlib.Path
) -> None:
    with view(tmp_path) as viewer:
        shop(*(f"/users/{number}" for number in range(8)), "/boom", "/boom", "/missing")
        wait_until(lambda: viewer.read("SELECT count(*) FROM requests") == [(11,)])
        go(browser, viewer, "/")
        said = text(browser)
        for expected in ("GET /users/<int:id>", "GET /boom", "GET (unmatched)", "shop", "27.3"):
            assert expected in said
        follow(browser, "/failures?")
        assert "ValueError" in text(browser)
        follow(browser, "/transaction/")
        assert "GET /boom" in text(browser)
        assert "500" in text(browser)
        browser.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
        assert "boom in the view" in text(browser)
        # Python 3.11 and later know where a function was defined.
        assert re.search(r"flask_app\.(add_errors\.<locals>\.)?boom", text(browser))
        assert "flask_app.py" in text(browser)
        assert complaints(browser) == []


def test_what_comes_in_appears_by_itself(browser: Any, shop: Callable[..., None], tmp_path: pathlib.Path) -> None:
    with view(tmp_path) as viewer:
        go(browser, viewer, "/")
        assert "autotrace run" in text(browser)
        # Gone with the page: it is not loaded anew.
        browser.execute_script("window.stays = 'yes'")
        shop("/users/1", "/users/2", "/users/3")
        wait_until(lambda: "GET /users/<int:id>" in text(browser), SECONDS)
        shop("/boom")
        wait_until(lambda: "GET /boom" in text(browser), SECONDS)
        assert browser.execute_script("return window.stays") == "yes"
        assert complaints(browser) == []


EVIL = "<script>window.pwned=1</script><img src=x onerror=window.pwned=1>\"'><svg onload=window.pwned=1>\u202eabc"


def hostile() -> list[Any]:
    """Return an item of each kind with markup in every text that it has."""

    def spoil(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: spoil(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [spoil(each) for each in value]
        plain = name in ("duration", "perfTotal", "networkConnect", "severityLevel") or not isinstance(value, str)
        return value if plain else f"{value[:20]}{EVIL}"

    found = []
    for kind in ("Request", "RemoteDependency", "Exception", "Message", "Event", "Metric", "PageView", "Availability"):
        made = item(kind)
        base = spoil(made["data"]["baseData"])
        base["properties"] = {EVIL[:150]: EVIL, "url": "javascript:window.pwned=1"}
        if "success" in base:
            base["success"] = False
        made["data"]["baseData"] = {**base, "id": base.get("id", "")[:128]}
        tags = {"ai.cloud.role": "shop" + EVIL, "ai.operation.name": "GET /" + EVIL, "ai.user.userAgent": EVIL}
        made["tags"].update(tags, **{"ai.cloud.roleInstance": EVIL})
        found.append(made)
    return found


def test_hostile_items_are_only_text(browser: Any, tmp_path: pathlib.Path) -> None:
    with view(tmp_path) as viewer:
        answer = viewer.post(hostile())
        assert answer.json()["itemsAccepted"] == len(hostile()), answer.json()
        operation = hostile()[0]["tags"]["ai.operation.id"]
        items = [f"/item/{table}/1" for table in ("requests", "dependencies", "exceptions", "traces", "customEvents")]
        sql = "/logs?q=SELECT+*+FROM+requests"
        for path in (*PAGES, f"/transaction/{operation}", *items, sql, "/search?text=pwned", "/search?text=%3Cscript"):
            go(browser, viewer, path)
            browser.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
            assert browser.execute_script("return window.pwned") is None, path
            assert browser.execute_script("return document.querySelectorAll('main script, main img').length") == 0, path
            # Those of a drawing have addresses of another kind.
            hrefs = "return [...document.querySelectorAll('a')].map((a) => a.href.baseVal ?? a.href)"
            hrefs += ".map((href) => new URL(href, location).origin).filter((origin) => origin !== location.origin)"
            assert browser.execute_script(hrefs) == [], path
            assert complaints(browser) == [], path
        go(browser, viewer, f"/transaction/{operation}")
        assert "<script>window.pwned=1</script>" in text(browser)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_fit_a_phone_in_light_and_dark(
    browser: Any, shop: Callable[..., None], tmp_path: pathlib.Path, theme: str
) -> None:
    with view(tmp_path) as viewer:
        shop("/users/1", "/boom", "/missing")
        wait_until(lambda: viewer.read("SELECT count(*) FROM requests") == [(3,)])
        ((operation,),) = viewer.read("SELECT operation_Id FROM exceptions")
        features = [{"name": "prefers-color-scheme", "value": theme}]
        phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
        try:
            for path in (*PAGES, f"/transaction/{operation}", "/item/requests/1"):
                go(browser, viewer, path)
                widths = "return [document.documentElement.scrollWidth, window.innerWidth]"
                scrolled, width = browser.execute_script(widths)
                assert scrolled <= 360 == width, path
                contrast = browser.execute_script(CONTRAST)
                assert contrast >= 4.5, (path, contrast)
        finally:
            browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


# The contrast of the text of the page and its ground, as WCAG 2 computes it.
CONTRAST = """
const light = (color) => {
  const [r, g, b] = color.match(/[0-9.]+/g).slice(0, 3).map((value) => {
    const part = value / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const style = getComputedStyle(document.body);
const [one, other] = [light(style.color), light(style.backgroundColor)].sort((a, b) => b - a);
return (one + 0.05) / (other + 0.05);
"""


def test_the_keyboard_reaches_everything(browser: Any, shop: Callable[..., None], tmp_path: pathlib.Path) -> None:
    keys = module("selenium.webdriver.common.keys").Keys
    chains = module("selenium.webdriver").ActionChains
    with view(tmp_path) as viewer:
        shop("/users/1", "/boom")
        wait_until(lambda: viewer.read("SELECT count(*) FROM requests") == [(2,)])
        for path in PAGES:
            go(browser, viewer, path)
            seen = []
            for _ in range(80):
                chains(browser).send_keys(keys.TAB).perform()
                focused = browser.execute_script(
                    "const e = document.activeElement; return e === document.body ? null :"
                    " [e.tagName, e.innerText || e.ariaLabel || e.labels?.[0]?.innerText || e.getAttribute('href')]"
                )
                if focused is None:
                    break
                assert focused[1], f"{path}: a {focused[0]} without a name"
                seen.append(focused[1])
            assert seen[0] == "Skip to content", path
            names = "return [...document.querySelectorAll('svg')].filter((e) => !e.closest('a')"
            names += " && !e.getAttribute('aria-label') && !e.closest('[aria-hidden]') && !e.querySelector('title'))"
            names += ".map((e) => e.parentNode.outerHTML)"
            assert browser.execute_script(names) == [], path
            assert browser.execute_script("return document.querySelectorAll('h1').length") == 1, path


def test_nothing_is_asked_of_other_hosts(browser: Any, shop: Callable[..., None], tmp_path: pathlib.Path) -> None:
    with view(tmp_path) as viewer:
        shop("/users/1", "/boom")
        for path in PAGES:
            go(browser, viewer, path)
            loaded = browser.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)")
            assert all(name.startswith(f"http://127.0.0.1:{viewer.port}/") for name in loaded), loaded


def test_a_page_without_scripts_says_the_same(shop: Callable[..., None], tmp_path: pathlib.Path) -> None:
    with view(tmp_path) as viewer:
        shop("/users/1")
        wait_until(lambda: viewer.read("SELECT count(*) FROM requests") == [(1,)])
        assert b"GET /users/&lt;int:id&gt;" in viewer.get("/").body
