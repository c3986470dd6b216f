"""`make screenshots`: the pages of `autotrace demo` as pictures for the README, made with headless Chromium."""

from __future__ import annotations

import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

HERE = pathlib.Path(__file__).parent
# Seconds of traffic before the pictures are taken.
TRAFFIC = 60
WIDTH = 1200
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
# The address of a transaction that has a failure in it, as the first link to one on the page of failures.
FIRST_TRANSACTION = "return [...document.querySelectorAll('main a[href^=\"/transaction/\"]')].map((a) => a.href)"
FAILED_ORDER = "/search?range=1h&text=orders+503"


def main() -> None:
    """Run the demonstration and write the pictures beside this file."""
    command = [sys.executable, "-m", "autotrace", "demo", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as demo:
        try:
            address = ""
            while not address:
                line = demo.stdout.readline() if demo.stdout else ""
                if not line:
                    sys.exit("screenshots: the demo has ended")
                found = re.search(r"http://127\.0\.0\.1:\d+", line)
                address = found[0] if found else ""
            time.sleep(TRAFFIC)
            take(address)
        finally:
            demo.send_signal(signal.SIGINT)
            demo.communicate()


def take(address: str) -> None:
    """Take the pictures of the pages at an address."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    with tempfile.TemporaryDirectory() as folder:
        for option in (*OPTIONS, f"--user-data-dir={folder}"):
            options.add_argument(option)
        browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            browser.get(address + FAILED_ORDER)
            transaction = browser.execute_script(FIRST_TRANSACTION)[0]
            pages = {
                "overview": address + "/?range=30m",
                "map": address + "/map?range=30m",
                "failures": address + "/failures?range=30m",
                "transaction": transaction,
            }
            for name, page in pages.items():
                picture(browser, page, HERE / f"{name}.png", open_exception=name == "transaction")
        finally:
            browser.quit()


def picture(browser: Any, page: str, file: pathlib.Path, *, open_exception: bool) -> None:
    """Write a picture of a page from its top to its end, or to two screens."""
    browser.set_window_size(WIDTH, 900)
    browser.get(page)
    if open_exception:
        browser.execute_script("document.querySelector('main details:has(.tag.exception)')?.setAttribute('open', '')")
    height = browser.execute_script("return document.documentElement.scrollHeight")
    browser.set_window_size(WIDTH, min(height, 1500) + 90)
    time.sleep(0.5)
    browser.save_screenshot(str(file))


if __name__ == "__main__":
    main()
