"""Whether a trace is kept: the same decision as Microsoft's SDKs take from the operation id."""

from __future__ import annotations

from operator import getitem

_MODULUS = 2**32
_SEED = 5381 * pow(33, 32, _MODULUS)
_FACTORS = [pow(33, power, _MODULUS) for power in range(30, -1, -2)]
_BYTES = [33 * ord(text[0]) + ord(text[1]) for text in map("{:02x}".format, range(256))]
# What each byte of a trace id, two characters of its text, adds to the hash at each of its 16 places.
_SHARES = [[value * factor % _MODULUS for value in _BYTES] for factor in _FACTORS]


def score(trace_id: str) -> float:
    """Return the sampling score, 0 to 100, of a trace id of 32 lower-case hex digits.

    This is the DJB2 hash with 32-bit overflow that Application Insights SDKs of every language share, written as one
    polynomial: a trace is kept where its score is below the percentage, so all services keep the same traces.
    """
    hashed: int = (_SEED + sum(map(getitem, _SHARES, bytes.fromhex(trace_id)))) % _MODULUS
    if hashed >= 2**31:
        hashed = _MODULUS - hashed
    return 100 * min(hashed, 2**31 - 1) / (2**31 - 1)
