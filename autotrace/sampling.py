"""Whether a trace is kept: the same decision as Microsoft's SDKs take from the operation id."""

from __future__ import annotations

from operator import mul

_MODULUS = 2**32
_SEED = 5381 * pow(33, 32, _MODULUS)
_POWERS = tuple(pow(33, 31 - position, _MODULUS) for position in range(32))


def score(trace_id: str) -> float:
    """Return the sampling score, 0 to 100, of a trace id of 32 hex digits.

    This is the DJB2 hash with 32-bit overflow that Application Insights SDKs of every language share, written as one
    polynomial: a trace is kept where its score is below the percentage, so all services keep the same traces.
    """
    hashed: int = (_SEED + sum(map(mul, trace_id.encode("ascii"), _POWERS))) % _MODULUS
    if hashed >= 2**31:
        hashed = _MODULUS - hashed
    return 100 * min(hashed, 2**31 - 1) / (2**31 - 1)
