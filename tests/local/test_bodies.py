"""Bodies that are posted: their shapes and encodings, and what is no body, or one too many."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import zlib
from typing import Iterator

import pytest

from tests.harness import exchange
from tests.local.viewing import View, item, requests, stream, view


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    """A viewer for all tests of this module: each looks for ids of its own."""
    with view(tmp_path_factory.mktemp("view")) as running:
        yield running
        assert running.stderr() == ""


def ids(viewer: View, prefix: str) -> list[str]:
    """Return the ids of the stored requests that begin with `prefix`."""
    return sorted(row[0] for row in viewer.read("SELECT id FROM requests") if row[0].startswith(prefix))


BODIES = {
    "array": lambda found: json.dumps(found).encode(),
    "indented": lambda found: json.dumps(found, indent=2).encode(),
    "marked": lambda found: b"\xef\xbb\xbf" + json.dumps(found).encode(),
    "stream": stream,
    "stream with blank lines": lambda found: b"\r\n\r\n".join(json.dumps(each).encode() for each in found),
}


@pytest.mark.parametrize("shape", BODIES)
@pytest.mark.parametrize("kind", ["application/json", "application/x-json-stream", "text/plain;charset=UTF-8", ""])
@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "raw deflate", "gzip in parts"])
def test_bodies_may_have_any_shape_type_and_encoding(viewer: View, shape: str, kind: str, encoding: str) -> None:
    prefix = f"{shape}/{kind}/{encoding}/"
    body = BODIES[shape](requests(3, prefix))
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "": body,
        "gzip": gzip.compress(body),
        "deflate": zlib.compress(body),
        "raw deflate": raw.compress(body) + raw.flush(),
        "gzip in parts": gzip.compress(body[:100]) + gzip.compress(body[100:]),
    }[encoding]
    headers = {"Content_Type": kind} if kind else {}
    if encoding:
        headers["Content_Encoding"] = "deflate" if "deflate" in encoding else "GZIP"
    answer = viewer.ask("POST", "/v2/track", packed, **headers)
    assert (answer.status, answer.json()["itemsAccepted"]) == (200, 3)
    assert ids(viewer, prefix) == [f"{prefix}{number}" for number in range(3)]


def test_a_single_object_is_one_item_however_it_is_laid_out(viewer: View) -> None:
    for indent in (None, 4):
        body = json.dumps(item(id=f"single {indent}"), indent=indent).encode()
        assert viewer.ask("POST", "/v2.1/track", body).json()["itemsAccepted"] == 1
    assert ids(viewer, "single") == ["single 4", "single None"]


def test_a_line_that_is_no_json_costs_the_other_lines_nothing(viewer: View) -> None:
    lines = [json.dumps(each).encode() for each in requests(3, "line ")]
    for place in range(4):
        body = b"\n".join([*lines[:place], b'{"name": NaN}', *lines[place:]])
        answer = viewer.ask("POST", "/v2/track", body)
        assert (answer.status, [error["index"] for error in answer.json()["errors"]]) == (206, [place])
    assert len(ids(viewer, "line")) == 12


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b" ",
            b"garbage",
            b"{",
            b"[",
            b"[1,",
            b"[1 2]",
            b"[{}]x",
            b'{"a": NaN}',
            b"[Infinity]",
            b"\xff\xfe",
            b"\0",
        ),
        *(b"[" * 100_000, b'{"a":' * 100_000, b"<xml/>", b"[1" + b"0" * 10_000 + b"]"),
        json.dumps(requests(3, "cut")).encode()[:-10],
    ],
)
def test_a_body_that_is_no_json_is_refused(viewer: View, body: bytes) -> None:
    for path in ("/v2.1/track", "/v2/validate"):
        answer = viewer.ask("POST", path, body)
        assert (answer.status, answer.json()["itemsAccepted"]) == (400, 0)
        assert answer.json()["errors"][0]["statusCode"] == 400
    assert ids(viewer, "cut") == []


@pytest.mark.parametrize("cut", [1, 10, 30, -9, -1])
def test_a_compressed_body_that_is_cut_is_refused(viewer: View, cut: int) -> None:
    body = gzip.compress(stream(requests(20, "torn")))[:cut]
    answer = viewer.ask("POST", "/v2/track", body, Content_Encoding="gzip")
    assert (answer.status, answer.json()["itemsReceived"]) == (400, 0)
    assert ids(viewer, "torn") == []


def test_an_unknown_encoding_is_refused(viewer: View) -> None:
    assert viewer.ask("POST", "/v2/track", b"[]", Content_Encoding="br").status == 415
    assert viewer.ask("POST", "/v2/track", stream(requests(1)), Content_Encoding="gzip").status == 400


def test_an_empty_array_is_no_error(viewer: View) -> None:
    answer = viewer.ask("POST", "/v2/track", b" [ ] ")
    assert (answer.status, answer.json()["itemsReceived"]) == (200, 0)


def test_a_bomb_is_refused_before_it_takes_memory(viewer: View) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * (1 << 20)
    bomb = b"".join(packer.compress(block) for _ in range(1024)) + packer.flush()
    assert len(bomb) < 2 << 20
    before = viewer.kilobytes()
    for _ in range(3):
        answer = viewer.ask("POST", "/v2/track", bomb, Content_Encoding="gzip")
        assert (answer.status, answer.json()["itemsAccepted"]) == (413, 0)
    assert viewer.kilobytes() - before < 100 << 10


def test_too_large_a_body_and_too_many_items_are_refused(viewer: View) -> None:
    head = f"POST /v2/track HTTP/1.1\r\nHost: localhost\r\nContent-Length: {(32 << 20) + 1}\r\n\r\n"
    assert exchange(viewer.port, head.encode()).startswith(b"HTTP/1.1 413 ")
    answer = viewer.post([0] * 64_001)
    assert (answer.status, answer.json()["errors"][0]["statusCode"]) == (413, 413)
    assert viewer.post([0] * 64_000).status == 400


def test_an_item_of_65536_bytes_is_kept_and_a_larger_one_is_not(viewer: View) -> None:
    found = item(id="large", properties={str(number): "x" * 8000 for number in range(8)})
    found["tags"]["filler"] = ""
    found["tags"]["filler"] = "x" * (65_536 - len(json.dumps(found)))
    assert viewer.ask("POST", "/v2/track", json.dumps(found).encode()).status == 200
    found["tags"]["filler"] += "x"
    for body in (json.dumps(found).encode(), json.dumps([item(id="small"), found]).encode()):
        answer = viewer.ask("POST", "/v2/track", body)
        assert answer.json()["errors"][-1]["message"] == "Telemetry item length must not exceed 65536"
    # Bytes, not characters.
    found["tags"]["filler"] = "é" * (len(found["tags"]["filler"]) // 2 + 10)
    assert viewer.ask("POST", "/v2/track", json.dumps(found, ensure_ascii=False).encode()).status == 400
    assert ids(viewer, "large") == ["large"]


def test_a_body_in_chunks_is_read(viewer: View) -> None:
    client = http.client.HTTPConnection("127.0.0.1", viewer.port, timeout=10)
    lines = [stream([each]) for each in requests(10, "chunk ")]
    client.request("POST", "/v2/track", iter(lines), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    assert json.loads(client.getresponse().read())["itemsAccepted"] == 10
    client.close()
    assert len(ids(viewer, "chunk")) == 10
    broken = (
        b"POST /v2/track HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnumber\r\n[]\r\n0\r\n\r\n"
    )
    assert exchange(viewer.port, broken).startswith(b"HTTP/1.1 400 ")


def test_a_wrong_length_does_no_harm(viewer: View) -> None:
    body = json.dumps(item(id="length")).encode()
    head = "POST /v2/track HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n"
    # Longer than what comes: the client goes, and nothing was ever whole.
    with socket.create_connection(("127.0.0.1", viewer.port), 5) as client:
        client.sendall(head.format(len(body) + 5).encode() + body)
    # Shorter: what is left is no JSON, and then no request.
    answer = exchange(viewer.port, head.format(len(body) - 5).encode() + body)
    assert answer.startswith(b"HTTP/1.1 400 ")
    for bad in ("-1", "x", "1, 2", ""):
        assert exchange(viewer.port, head.format(bad).encode() + body).startswith(b"HTTP/1.1 400 ")
    assert ids(viewer, "length") == []
    assert viewer.post(requests(1)).status == 200


def test_text_that_only_json_can_spell_is_kept_as_well_as_can_be(viewer: View) -> None:
    body = json.dumps([item(id="odd", name="a\0b", url="\ud800", properties={"\udfff": "\ud83d"})]).encode()
    assert viewer.ask("POST", "/v2/track", body).status == 200
    ((name, url, properties),) = viewer.read("SELECT name, url, customDimensions FROM requests WHERE id = 'odd'")
    assert (name, url, properties) == ("a\0b", "?", '{"?":"?"}')
    broken = json.dumps(item(id="bytes", name="?")).encode().replace(b'"?"', b'"\xff"')
    assert viewer.ask("POST", "/v2/track", broken).status == 200
    assert viewer.read("SELECT name FROM requests WHERE id = 'bytes'") == [("\ufffd",)]


def test_deep_json_in_a_field_that_nobody_reads_does_no_harm(viewer: View) -> None:
    deep = "[" * 500 + "]" * 500
    whole = json.dumps(item("Exception", tags={"ai.operation.id": "deep"}))
    body = whole.replace('"typeName"', f'"more": {deep}, "huge": 1e999, "typeName"', 1)
    assert viewer.ask("POST", "/v2/track", body.encode()).status == 200
    ((details,),) = viewer.read("SELECT details FROM exceptions WHERE operation_Id = 'deep'")
    assert json.loads(details)[0]["huge"] is None


def test_a_body_of_very_many_parts_is_refused_at_once(viewer: View) -> None:
    answer = viewer.ask("POST", "/v2/track", gzip.compress(b"") * 100_000, Content_Encoding="gzip")
    assert (answer.status, answer.json()["itemsReceived"]) == (400, 0)
