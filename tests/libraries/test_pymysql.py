"""PyMySQL: statements of all its cursors, and of those of the application."""

from __future__ import annotations

from tests import needs, outgoing
from tests.libraries.mysql_driver import MysqlDriver

needs.module("pymysql")

import pymysql
import pymysql.cursors

outgoing.patch("pymysql")


class TestPyMySQL(MysqlDriver):
    module = pymysql
