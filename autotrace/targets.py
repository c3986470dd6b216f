"""What is patched: the module to wait for → the function that patches it once it is imported.

A framework, a server or a library is one file and its lines here; nothing else lists them. A file's name is its name
in the settings. A child process loads this before user code: nothing is imported here.
"""

from __future__ import annotations

# Web frameworks: the first one that a process imports begins all of this.
FRAMEWORKS = (
    ("flask.app", "autotrace.frameworks.flask:patch"),
    ("django.core.handlers.base", "autotrace.frameworks.django:patch_base"),
    ("django.core.handlers.wsgi", "autotrace.frameworks.django:patch_wsgi"),
    ("django.core.handlers.asgi", "autotrace.frameworks.django:patch_asgi"),
    ("pyramid.router", "autotrace.frameworks.pyramid:patch"),
)
# Servers whose processes end in a way of their own.
SERVERS = (
    ("uvicorn.server", "autotrace.servers.uvicorn:patch"),
    ("gevent.monkey", "autotrace.servers.gevent:patch"),
)
# What applications call other services with.
LIBRARIES = (
    ("http.client", "autotrace.libraries.http_client:patch"),
    ("urllib3.connectionpool", "autotrace.libraries.urllib3:patch"),
    ("httpcore", "autotrace.libraries.httpx:patch"),
    ("aiohttp.client", "autotrace.libraries.aiohttp:patch"),
    ("celery.app.base", "autotrace.libraries.celery:patch"),
    ("celery.utils.dispatch.signal", "autotrace.libraries.celery:patch_signals"),
    ("redis.client", "autotrace.libraries.redis:patch"),
    ("redis.asyncio.client", "autotrace.libraries.redis:patch_asyncio"),
    ("redis.cluster", "autotrace.libraries.redis:patch_cluster"),
    ("redis.asyncio.cluster", "autotrace.libraries.redis:patch_asyncio_cluster"),
    ("sqlite3", "autotrace.libraries.sqlite3:patch"),
    ("threading", "autotrace.libraries.threading:patch"),
    ("multiprocessing.util", "autotrace.libraries.multiprocessing:patch"),
    ("logging", "autotrace.libraries.logging:patch"),
    ("concurrent.futures.thread", "autotrace.libraries.concurrent_futures:patch"),
    ("gevent.greenlet", "autotrace.libraries.gevent:patch"),
    ("eventlet.greenthread", "autotrace.libraries.eventlet:patch"),
    ("psycopg", "autotrace.libraries.psycopg:patch"),
    ("psycopg2", "autotrace.libraries.psycopg2:patch"),
    ("pymysql.cursors", "autotrace.libraries.pymysql:patch"),
    ("MySQLdb.cursors", "autotrace.libraries.mysqldb:patch"),
    ("MySQLdb.connections", "autotrace.libraries.mysqldb:patch_connections"),
    ("sqlalchemy.engine.default", "autotrace.libraries.sqlalchemy:patch"),
    ("django.db.backends.utils", "autotrace.libraries.django_db:patch"),
    ("django.db.backends.sqlite3.base", "autotrace.libraries.django_db:patch_sqlite"),
)


def name_of(hook: str) -> str:
    """Return the name in the settings of what a hook patches."""
    return hook.partition(":")[0].rpartition(".")[2]


def names(targets: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Return the names in the settings of a table's entries, each once."""
    return tuple(dict.fromkeys(name_of(hook) for _, hook in targets))
