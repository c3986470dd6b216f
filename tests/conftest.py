"""Fixtures that every test may use."""

from __future__ import annotations

from typing import Iterator

import pytest

from tests.endpoint import Endpoint


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """An ingestion endpoint of the test's own."""
    with Endpoint() as running:
        yield running


@pytest.fixture(scope="module")
def shared_endpoint() -> Iterator[Endpoint]:
    """An ingestion endpoint for all tests of a module."""
    with Endpoint() as running:
        yield running
