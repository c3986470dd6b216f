"""urllib3 and requests: each attempt is one call, with http.client patched below."""

from __future__ import annotations

from typing import Iterator

import pytest

from tests import needs, outgoing
from tests.harness import free_port

requests = needs.module("requests")
urllib3 = needs.module("urllib3")


@pytest.fixture(scope="module")
def neighbour() -> Iterator[outgoing.Neighbour]:
    outgoing.patch("http_client")
    outgoing.patch("urllib3")
    with outgoing.neighbour() as running:
        yield running


def test_a_call_is_one_item(neighbour: outgoing.Neighbour) -> None:
    seen = outgoing.record(lambda: requests.post(f"{neighbour.url}/items?key=1", data={"a": "b"}, timeout=9))
    assert seen.said() == [
        {
            "name": "POST /items",
            "resultCode": "200",
            "success": True,
            "type": "Http",
            "target": neighbour.site,
            "data": f"{neighbour.url}/items?key=REDACTED",
        }
    ]
    assert neighbour.headers[-1]["traceparent"] == outgoing.parent_of(seen.calls[0])


def test_the_request_object_is_the_applications(neighbour: outgoing.Neighbour) -> None:
    answers = []
    outgoing.record(lambda: answers.append(requests.get(neighbour.url, timeout=9)))
    assert "traceparent" not in answers[0].request.headers


def test_retries_and_redirects_are_calls(neighbour: outgoing.Neighbour) -> None:
    retry = urllib3.Retry(total=2, status_forcelist=[503], backoff_factor=0)

    def view() -> None:
        with urllib3.PoolManager(retries=retry) as manager, pytest.raises(urllib3.exceptions.MaxRetryError):
            manager.request("GET", f"{neighbour.url}/503")
        requests.get(f"{neighbour.url}/redirect/there", timeout=9)

    told = [(one["name"], one["resultCode"]) for one in outgoing.record(view).said()]
    assert told == [*[("GET /503", "503")] * 3, ("GET /redirect/there", "302"), ("GET /there", "200")]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_connections_that_fail_are_calls(neighbour: outgoing.Neighbour, scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{free_port()}/x"

    def view() -> None:
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=9)

    (told,) = outgoing.record(view).said()
    assert (told["data"], told["success"]) == (url, False)
    assert told["resultCode"] == "NewConnectionError"
