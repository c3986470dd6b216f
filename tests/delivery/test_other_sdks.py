"""Clients that nobody here wrote send to `autotrace view` too, and are seen beside the services of `autotrace run`.

One is Microsoft's exporter for OpenTelemetry in Python, the other Microsoft's applicationinsights for Node.js; both as
they are released now, in a directory of their own that `make delivery` fills.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import shutil
from collections import Counter
from typing import Any, Iterator, Mapping, NamedTuple

import pytest

from autotrace.local.tables import BY_BASE_TYPE
from tests.delivery.relay import Relay
from tests.harness import Request, gunicorn, load, serve
from tests.local.samples import Element, tree
from tests.local.viewing import KEY, View, view
from tests.needs import need

pytestmark = pytest.mark.delivery
ROOT = pathlib.Path(__file__).parent.parent
APPS = ROOT / "apps_other_sdks"
INSTALLED = ROOT.parent / ".venv-other-sdks"
GOOD, BAD = f"{7:032x}", f"{8:032x}"
# What the clients would ask of hosts of Microsoft, about themselves, and what they would leave out.
QUIET = {
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATION_INSIGHTS_NO_STATSBEAT": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "OTEL_TRACES_SAMPLER": "always_on",
}


class Shop(NamedTuple):
    """The viewer with all that was sent to it, and what stood in front of it meanwhile."""

    view: View
    relay: Relay

    def sent(self, role: str, kind: str) -> list[dict[str, Any]]:
        """Return the items of a role whose `baseType` is `kind`."""
        items = [item for post in self.relay.posts for item in post.items]
        return [item for item in items if item["tags"]["ai.cloud.role"] == role and item["data"]["baseType"] == kind]

    def page(self, path: str) -> Element:
        """Return a page of the viewer."""
        answer = self.view.get(path)
        assert answer.status == 200, answer.body
        return tree(answer.body.decode())


def for_node(relay: Relay) -> str:
    """Return the configuration that an applicationinsights needs for a server without TLS.

    It makes https of the http in a connection string.
    """
    exporter = {"host": relay.url, "allowInsecureConnection": True, "disableOfflineStorage": True}
    return json.dumps({"azureMonitorExporterOptions": exporter, "enableLiveMetrics": False})


@contextlib.contextmanager
def services(folder: pathlib.Path, relay: Relay) -> Iterator[int]:
    """Run the three services; give the port of the front."""
    common: Mapping[str, str] = {
        **QUIET,
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={KEY};IngestionEndpoint={relay.url}/",
        "TMPDIR": str(folder),
    }
    node = {
        **{**common, "OTEL_SERVICE_NAME": "stock", "NODE_PATH": str(INSTALLED / "node_modules")},
        "APPLICATIONINSIGHTS_CONFIGURATION_CONTENT": for_node(relay),
    }
    with serve(["node", "stock.js", "{port}"], folder / "stock", None, node, False, APPS) as stock:
        env = {**common, "OTEL_SERVICE_NAME": "prices", "STOCK_URL": f"http://127.0.0.1:{stock.port}"}
        python = str(INSTALLED / "bin" / "python")
        with serve([python, "prices.py", "{port}"], folder / "prices", None, env, False, APPS) as prices:
            urls = {"STOCK_URL": env["STOCK_URL"], "PRICES_URL": f"http://127.0.0.1:{prices.port}"}
            env = {**common, **urls, "AUTOTRACE_EXPORTER": "azure"}
            command = [*gunicorn("front:app"), "--bind=127.0.0.1:{port}"]
            with serve(command, folder / "front", None, env, True, APPS) as front:
                yield front.port
    assert (prices.stdout(), prices.stderr()) == ("", "")
    assert (stock.stdout(), stock.stderr()) == ("", "")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A viewer that has what two visits of the shop have caused, one of which failed."""
    need(shutil.which("node"), "Node.js is not installed")
    need((INSTALLED / "node_modules" / "applicationinsights").exists(), "npm's applicationinsights is not installed")
    need((INSTALLED / "bin" / "python").exists(), "azure-monitor-opentelemetry-exporter is not installed")
    folder = tmp_path_factory.mktemp("shop")
    with view(folder) as running, Relay(running.port) as relay:
        with services(folder, relay) as port:
            visits = [
                Request("GET", f"/buy/{number}", {"traceparent": f"00-{operation}-00000000000000aa-01"})
                for number, operation in ((7, GOOD), (0, BAD))
            ]
            assert [answer.body for answer in load(port, visits, connections=1)] == [b"200 200", b"500 500"]
        yield Shop(running, relay)
        assert running.stderr() == ""


def test_nothing_is_refused(shop: Shop) -> None:
    for post in shop.relay.posts:
        count = len(post.items)
        assert (post.status, post.answer) == (200, {"itemsReceived": count, "itemsAccepted": count, "errors": []})
    assert shop.relay.strays == []
    for role in ("prices", "stock"):
        counts = {kind: len(shop.sent(role, kind)) for kind in BY_BASE_TYPE}
        assert (counts["RequestData"], counts["RemoteDependencyData"]) == (3, 1)
        assert (counts["ExceptionData"], counts["MessageData"]) == (1, {"prices": 1, "stock": 2}[role])
        assert counts["MetricData"] > 0


@pytest.mark.parametrize("kind", ["RequestData", "RemoteDependencyData", "ExceptionData", "MessageData", "MetricData"])
@pytest.mark.parametrize("role", ["prices", "stock"])
def test_what_was_sent_is_in_the_store(role: str, kind: str, shop: Shop) -> None:
    """With the operation and the parent that the client gave it, and its id if it has one."""
    own = ", id" if kind in ("RequestData", "RemoteDependencyData") else ""
    query = f"SELECT operation_Id, operation_ParentId{own} FROM {BY_BASE_TYPE[kind]}"
    sent = Counter(
        (item["tags"].get("ai.operation.id"), item["tags"].get("ai.operation.parentId"))
        + ((item["data"]["baseData"]["id"],) if own else ())
        for item in shop.sent(role, kind)
    )
    assert Counter(shop.view.read(f"{query} WHERE cloud_RoleName = '{role}'")) == sent


def test_the_map_shows_who_calls_whom(shop: Shop) -> None:
    page = shop.page("/map")
    roles = {link.attributes["aria-label"] for link in page.all("a", **{"class": "node role"})}
    assert roles == {"front", "prices", "stock"}
    assert {tuple(row[:3]): row[4] for row in page.table("calls")} == {
        ("front", "prices", "2"): "✕ 50.0%",
        ("front", "stock", "2"): "✕ 50.0%",
        ("prices", "stock", "1"): "0%",
        ("stock", "prices", "1"): "0%",
    }


def test_a_visit_is_one_tree_of_three_services(shop: Shop) -> None:
    assert steps(shop.page(f"/transaction/{GOOD}")) == [
        "1: request GET /buy/<int:number> front ✓ 200 ok",
        "2: dependency GET /price/7 → 127.0.0.1 front ✓ 200 ok",
        "3: request GET /price/{number} prices ✓ 200 ok",
        "4: dependency GET /stock/7 → 127.0.0.1 prices ✓ 200 ok",
        "5: request GET stock ✓ 200 ok",
        "6: trace 7 are left stock Information",
        "4: trace the price of 7 was asked prices Warning",
        "2: dependency GET /stock/7 → 127.0.0.1 front ✓ 200 ok",
        "3: request GET stock ✓ 200 ok",
        "4: dependency GET /rate/7 → 127.0.0.1 stock ✓ 200 ok",
        "5: request GET /rate/{number} prices ✓ 200 ok",
        "4: trace 7 are left stock Information",
    ]


def test_a_failure_has_the_exceptions_of_both(shop: Shop) -> None:
    page = shop.page(f"/transaction/{BAD}")
    assert steps(page) == [
        "1: request GET /buy/<int:number> front ✓ 200 ok",
        "2: dependency GET /price/0 → 127.0.0.1 front ✕ 500 failed",
        "3: request GET /price/{number} prices ✕ 500 failed",
        "4: exception ValueError: 0 has no price prices ✕ failed",
        "2: dependency GET /stock/0 → 127.0.0.1 front ✕ 500 failed",
        "3: request GET stock ✕ 500 failed",
        "4: exception RangeError: nothing is left of 0 stock ✕ Error",
    ]
    # One client sends its stack as a text, the other one frame by frame.
    assert any("prices.py" in stack.text for stack in page.all("pre"))
    assert any("stock.js" in frame.text for frame in page.one("ol", **{"class": "frames"}).all("li"))


def steps(page: Element) -> list[str]:
    """Return what the lines of an operation say, but for ports and times."""
    lines = [line.text for line in page.one("ol", **{"class": "steps"}).all("summary")]
    texts = [re.sub(r"(:\d+(?= )|( [\d.]+ \S+)? , after .*)", "", line) for line in lines]
    return [text.replace("Level ", "") for text in texts]
