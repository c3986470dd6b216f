"""PyMySQL: statements of all its cursors, and of those of the application."""

from __future__ import annotations

import pytest

from tests import outgoing
from tests.libraries.mysql_driver import MysqlDriver

pytest.importorskip("pymysql")

import pymysql
import pymysql.cursors

outgoing.patch("pymysql")


class TestPyMySQL(MysqlDriver):
    module = pymysql
