"""Authentication strings as Microsoft's documents and people write them."""

from __future__ import annotations

import pytest

from autotrace.connection_string import Authentication, parse_authentication

CLIENT = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
NAME = "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"

GOOD = {
    "Authorization=AAD": None,
    f"Authorization=AAD;ClientId={CLIENT}": CLIENT,
    f"ClientId={CLIENT};Authorization=AAD;": CLIENT,
    f" authorization = aad ; CLIENTID = {CLIENT.upper()} \n": CLIENT,
    f'"Authorization=AAD;ClientId={CLIENT}"': CLIENT,
    f'export {NAME}="Authorization=AAD"': None,
    f"{NAME}: Authorization=AAD": None,
    "Authorization=AAD;ClientId=": None,
    "Authorization=AAD;Favourite=secret": None,
}
BAD = {
    "AAD": "part 1 of it is not written Key=Value",
    "": "its Authorization is not AAD",
    f"ClientId={CLIENT}": "its Authorization is not AAD",
    "Authorization=ikey": "its Authorization is not AAD",
    "Authorization=secret": "its Authorization is not AAD",
    "Authorization=AAD;ClientId=secret": "its ClientId is not a GUID",
    f"Authorization=AAD;ClientId={{{CLIENT}}}": "its ClientId is not a GUID",
    "Authorization=AAD;secret": "part 2 of it is not written Key=Value",
    "Authorization=AAD;" + "x=secret;" * 1000: "it is longer than",
}


@pytest.mark.parametrize("text", GOOD)
def test_understood(text: str) -> None:
    assert parse_authentication(text) == Authentication(GOOD[text])


@pytest.mark.parametrize("text", BAD)
def test_refused_in_one_line_without_the_value(text: str) -> None:
    with pytest.raises(ValueError, match=BAD[text]) as caught:
        parse_authentication(text)
    message = str(caught.value)
    assert message.isprintable()
    assert "secret" not in message
    assert CLIENT not in message


def test_printed_without_the_whole_id() -> None:
    assert str(Authentication(CLIENT)) == "Authorization=AAD;ClientId=0a1b2c3d..."
    assert str(Authentication()) == "Authorization=AAD"
