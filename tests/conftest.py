"""Fixtures that every test may use."""

from __future__ import annotations

from typing import Iterator

import pytest

from tests import databases
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


@pytest.fixture(scope="session")
def postgresql() -> Iterator[databases.Database]:
    """A PostgreSQL server for all tests."""
    with databases.postgresql() as running:
        yield running


@pytest.fixture(scope="session")
def mysql() -> Iterator[databases.Database]:
    """A MariaDB server for all tests."""
    with databases.mysql() as running:
        yield running


@pytest.fixture(scope="session")
def redis() -> Iterator[databases.Database]:
    """A Redis server for all tests."""
    with databases.redis() as running:
        yield running
