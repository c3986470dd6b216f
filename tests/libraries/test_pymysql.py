"""PyMySQL: statements of all its cursors, and of those of the application."""

from __future__ import annotations

import pymysql
import pymysql.cursors

from tests import outgoing
from tests.libraries.mysql_driver import MysqlDriver

outgoing.patch("pymysql")


class TestPyMySQL(MysqlDriver):
    module = pymysql
