"""Connection strings as portals, secrets, shells and people write them."""

from __future__ import annotations

import random

import pytest

from autotrace.connection_string import ConnectionString, parse

KEY = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
IKEY = f"InstrumentationKey={KEY}"
GLOBAL = "https://dc.services.visualstudio.com"
WEST = "https://westeurope-5.in.applicationinsights.azure.com"
LIVE = "https://westeurope.livediagnostics.monitor.azure.com/"
PORTAL = f"{IKEY};IngestionEndpoint={WEST}/;LiveEndpoint={LIVE};ApplicationId={KEY[::-1]}"

GOOD = {
    "portal": (PORTAL, WEST),
    "key only": (IKEY, GLOBAL),
    "bare key": (KEY, GLOBAL),
    "bare key, upper case, quoted": (f'"{KEY.upper()}"\n', GLOBAL),
    "upper-case GUID": (f"InstrumentationKey={KEY.upper()}", GLOBAL),
    "keys in lower case": (PORTAL.lower(), WEST),
    "keys in upper case": (f"INSTRUMENTATIONKEY={KEY};INGESTIONENDPOINT={WEST}", WEST),
    "semicolon at the end": (PORTAL + ";", WEST),
    "empty parts": (f";;{IKEY};; ;IngestionEndpoint={WEST};", WEST),
    "line feed at the end": (PORTAL + "\n", WEST),
    "carriage return at the end": (PORTAL + "\r\n", WEST),
    "byte order mark": ("\ufeff" + PORTAL, WEST),
    "byte order mark, not decoded": ("\udcef\udcbb\udcbf" + PORTAL, WEST),
    "spaces around everything": (f"  InstrumentationKey = {KEY} ; IngestionEndpoint = {WEST}/ ; ", WEST),
    "double quotes": (f'"{PORTAL}"', WEST),
    "single quotes": (f"'{PORTAL}'", WEST),
    "quotes of a word processor": (f"\u201c{PORTAL}\u201d", WEST),
    "quotes, then a line feed": (f'"{PORTAL}"\n', WEST),
    "quotes around values": (f"InstrumentationKey=\"{KEY}\";IngestionEndpoint='{WEST}'", WEST),
    "variable name pasted": (f"APPLICATIONINSIGHTS_CONNECTION_STRING={PORTAL}", WEST),
    "export line pasted": (f'export APPLICATIONINSIGHTS_CONNECTION_STRING="{PORTAL}"', WEST),
    "YAML line pasted": (f"APPLICATIONINSIGHTS_CONNECTION_STRING: {PORTAL}", WEST),
    "one part a line": (PORTAL.replace(";", ";\n"), WEST),
    "lines without semicolons": (PORTAL.replace(";", "\r\n"), WEST),
    "Authorization": (f"{IKEY};Authorization=IKey", GLOBAL),
    "unknown keys": (f"{IKEY};Favourite=1=2;Colour=", GLOBAL),
    "suffix": (f"{IKEY};EndpointSuffix=applicationinsights.azure.cn", "https://dc.applicationinsights.azure.cn"),
    "suffix with dots": (f"{IKEY};EndpointSuffix=.ai.example.com.", "https://dc.ai.example.com"),
    "suffix, location": (f"{IKEY};EndpointSuffix=ai.example.com;Location=a", "https://a.dc.ai.example.com"),
    "location alone": (f"{IKEY};Location=west", GLOBAL),
    "endpoint beats suffix": (f"{IKEY};EndpointSuffix=ai.example.com;IngestionEndpoint={WEST}", WEST),
    "empty endpoint": (f"{IKEY};IngestionEndpoint=", GLOBAL),
    "bare host": (f"{IKEY};IngestionEndpoint=proxy.example.com", "https://proxy.example.com"),
    "bare host and port": (f"{IKEY};IngestionEndpoint=proxy.example.com:8443/", "https://proxy.example.com:8443"),
    "upper-case host": (f"{IKEY};IngestionEndpoint=HTTPS://PROXY.example.com/A/", "https://proxy.example.com/A"),
    "plain http": (f"{IKEY};IngestionEndpoint=http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    "IPv6": (f"{IKEY};IngestionEndpoint=http://[::1]:8080/", "http://[::1]:8080"),
    "several slashes": (f"{IKEY};IngestionEndpoint={WEST}///", WEST),
    "track URL": (f"{IKEY};IngestionEndpoint={WEST}/v2/track", WEST),
    "newer track URL": (f"{IKEY};IngestionEndpoint={WEST}/v2.1/track/", WEST),
    "key given twice": (f"InstrumentationKey={KEY[::-1]};{IKEY}", GLOBAL),
    "given twice, then empty": (f"{PORTAL};IngestionEndpoint=", WEST),
    "longest": (f"{IKEY};Padding=".ljust(4096, "x"), GLOBAL),
}

BAD = {
    "nothing": ("", "no InstrumentationKey"),
    "blanks": (" ;; \n", "no InstrumentationKey"),
    "no key": (f"IngestionEndpoint={WEST}", "no InstrumentationKey"),
    "empty key": ("InstrumentationKey=", "no InstrumentationKey"),
    "no value": ("InstrumentationKey", "part 1 of it is not written Key=Value"),
    "part without =": (f"{IKEY};secretsecret", "part 2 of it is not written Key=Value"),
    "short GUID": (IKEY[:-1], "GUID"),
    "words": ("InstrumentationKey=secretsecret", "GUID"),
    "GUID of other letters": (f"InstrumentationKey={KEY[:-1]}g", "GUID"),
    "placeholder": ("InstrumentationKey=<secretsecret>", "GUID"),
    "token authorization": (f"{IKEY};Authorization=secretsecret", "Authorization"),
    "endpoint of another kind": (f"{IKEY};IngestionEndpoint=ftp://secretsecret", "IngestionEndpoint"),
    "endpoint without host": (f"{IKEY};IngestionEndpoint=https:///secretsecret", "IngestionEndpoint"),
    "endpoint with spaces": (f"{IKEY};IngestionEndpoint=https://secret secret", "IngestionEndpoint"),
    "endpoint, wrong port": (f"{IKEY};IngestionEndpoint=https://secretsecret:99999", "IngestionEndpoint"),
    "endpoint with brackets": (f"{IKEY};IngestionEndpoint=https://[secretsecret", "IngestionEndpoint"),
    "endpoint with a password": (f"{IKEY};IngestionEndpoint=https://u:secretsecret@h", "IngestionEndpoint"),
    "endpoint with a query": (f"{IKEY};IngestionEndpoint=https://h/?secretsecret", "IngestionEndpoint"),
    "endpoint of other letters": (f"{IKEY};IngestionEndpoint=https://secretsecr\u00e9t", "IngestionEndpoint"),
    "suffix of nonsense": (f"{IKEY};EndpointSuffix=secret secret", "EndpointSuffix"),
    "location of nonsense": (f"{IKEY};EndpointSuffix=h;Location=secret/secret", "Location"),
    "audience of nonsense": (f"{IKEY};AADAudience=secret secret", "AADAudience"),
    "too long": (f"{IKEY};Padding=".ljust(4097, "x"), "4096"),
}


@pytest.mark.parametrize("case", GOOD)
def test_understood(case: str) -> None:
    text, endpoint = GOOD[case]
    assert parse(text) == ConnectionString(KEY, endpoint, None)


@pytest.mark.parametrize("case", BAD)
def test_refused_in_one_line_without_the_value(case: str) -> None:
    text, defect = BAD[case]
    with pytest.raises(ValueError, match=defect) as caught:
        parse(text)
    message = str(caught.value)
    assert message.isprintable()
    assert "secret" not in message
    assert KEY not in message


def test_audience() -> None:
    assert parse(f"{IKEY};AADAudience=https://monitor.azure.us/").aad_audience == "https://monitor.azure.us/"


def test_printed_without_the_whole_key() -> None:
    for text in (repr(parse(PORTAL)), str(parse(PORTAL)), f"{parse(PORTAL)}"):
        assert KEY[:8] in text
        assert WEST in text
        assert KEY[8:] not in text


def test_random_bytes_are_refused_in_one_line() -> None:
    chance = random.Random(46)  # noqa: S311 - reproducible nonsense, no secret
    for _ in range(500):
        noise = bytes(chance.choices(range(1, 256), k=chance.randrange(200)))
        text = noise.decode("utf-8", "surrogateescape")
        for candidate in (text, "\ud800" + text, IKEY[: chance.randrange(50)] + text):
            with pytest.raises(ValueError, match=r"^(it|its|part) ") as caught:
                parse(candidate)
            assert str(caught.value).isprintable()
