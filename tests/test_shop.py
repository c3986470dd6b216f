"""Three services under three `autotrace run`: what one visitor sets off is one tree, and no other visitor's."""

from __future__ import annotations

import contextlib
import pathlib
import re
from collections import Counter
from typing import Any, Iterator, Mapping, NamedTuple

import psycopg2
import pytest

from tests.databases import Database
from tests.endpoint import Endpoint
from tests.harness import Request, gunicorn, load, serve, uvicorn
from tests.recordings import said

APPS = pathlib.Path(__file__).parent / "apps_shop"
BIND = "--bind=127.0.0.1:{port}"
# A number that tells whose an item is: it is in every name, address, message or statement that is about one visitor.
NUMBER = re.compile(r"\b(77\d{7})\b")
COUNT = 100


class Flavour(NamedTuple):
    """How the services are served, and the path that visitors of the front ask for."""

    front: list[str]
    stock: list[str]
    shelf: list[str]
    path: str = "buy"
    env: Mapping[str, str] = {}


def served(*options: str) -> tuple[list[str], list[str], list[str]]:
    """Return the commands of the three services under gunicorn with some options."""
    apps = ("front:app", "stock:application", "shelf:app")
    front, stock, shelf = ([*gunicorn(app), *options, BIND] for app in apps)
    return front, stock, shelf


THREADS = served("--worker-class=gthread", "--threads=8", "--workers=2")
CROWD = served("--worker-class=gthread", f"--threads={COUNT // 2}", "--workers=2")
FLAVOURS = {
    "sync": Flavour(*served("--workers=4")),
    "threads": Flavour(*THREADS),
    "pools": Flavour(*THREADS, path="pool"),
    "gevent": Flavour(*served("--worker-class=gevent")),
    # All visitors at once.
    "uvicorn": Flavour(CROWD[0], uvicorn("stock:asgi_application"), THREADS[2], env={"STOCK_IS_ASYNC": "1"}),
}


class Tree(NamedTuple):
    """The items of one operation."""

    items: list[dict[str, Any]]

    def root(self) -> dict[str, Any]:
        """Return the item that hangs under nothing, which must be one request."""
        (root,) = (item for item in self.items if "ai.operation.parentId" not in item["tags"])
        return root

    def shape(self) -> Any:
        """Return the tree as nested (description, sorted branches); every item must hang in it."""
        seen: list[str] = []
        shape = self._branch(self.root(), seen)
        assert len(seen) == len(self.items), "some items hang under nothing"
        return shape

    def _branch(self, item: dict[str, Any], seen: list[str]) -> Any:
        seen.append("")
        number = said(item).get("id")
        below = [one for one in self.items if number and one["tags"].get("ai.operation.parentId") == number]
        return (described(item), sorted(self._branch(one, seen) for one in below))

    def numbers(self) -> set[str]:
        """Return the visitors' numbers in all that the items say."""
        texts = [str(value) for item in self.items for value in (said(item), item["tags"])]
        return {number for text in texts for number in NUMBER.findall(text)}


def described(item: dict[str, Any]) -> str:
    """Say in one line what an item is, with # for a visitor's number."""
    told, role = said(item), item["tags"]["ai.cloud.role"]
    kind = item["data"]["baseType"]
    if kind == "RequestData":
        text = f"{told['name']} {told['responseCode']}"
    elif kind == "RemoteDependencyData":
        text = f"{told['type']}: {told['name']} {told['resultCode']}"
    else:
        text = told.get("message") or f"{told['problemId']}: {told['exceptions'][0]['message']}"
    return f"{role}: {NUMBER.sub('#', text)}"


def whole(path: str) -> Any:
    """Return the shape of what one visitor sets off."""
    shelf = (
        "shelf: GET /shelf/{number} 500",
        [
            ("shelf: LookupError at shelf.look: number # is not on the shelf", []),
            ("shelf: sqlite: CREATE shelf 0", []),
        ],
    )
    stock = (
        "stock: GET /stock/<int:number> 200",
        [("stock: Http: GET /shelf/# 500", [shelf]), ("stock: postgresql: SELECT item 0", [])],
    )
    price = ("stock: GET /price/<int:number> 200", [("stock: redis: INCRBY 0", [])])
    return (
        f"front: GET /{path}/<int:number> 502",
        [
            ("front: Http: GET /price/# 200", [price]),
            ("front: Http: GET /stock/# 200", [stock]),
            ("front: somebody buys #", []),
        ],
    )


@contextlib.contextmanager
def shop(
    flavour: Flavour, folder: pathlib.Path, endpoint: Endpoint, postgresql: Database, redis: Database
) -> Iterator[int]:
    """Run the three services; give the port of the front."""
    env = {
        "AUTOTRACE_LOGS": "warning",
        "POSTGRESQL_PORT": str(postgresql.port),
        "REDIS_PORT": str(redis.port),
        **flavour.env,
    }
    with serve(flavour.shelf, folder / "shelf", endpoint, env, apps=APPS) as shelf:
        env["SHELF_URL"] = f"http://127.0.0.1:{shelf.port}"
        with serve(flavour.stock, folder / "stock", endpoint, env, apps=APPS) as stock:
            env["STOCK_URL"] = f"http://127.0.0.1:{stock.port}"
            with serve(flavour.front, folder / "front", endpoint, env, apps=APPS) as front:
                yield front.port
    assert "\nautotrace: " not in front.stderr() + stock.stderr() + shelf.stderr()


@pytest.fixture(scope="module")
def item_table(postgresql: Database) -> None:
    """Make the table that the stock asks."""
    connection = psycopg2.connect(
        host=postgresql.host, port=postgresql.port, dbname=postgresql.name, user=postgresql.user
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS item (id int)")
    connection.close()


@pytest.mark.usefixtures("item_table")
@pytest.mark.parametrize("name", FLAVOURS)
def test_what_a_visitor_sets_off_is_one_tree(
    name: str, tmp_path: pathlib.Path, endpoint: Endpoint, postgresql: Database, redis: Database
) -> None:
    flavour = FLAVOURS[name]
    with shop(flavour, tmp_path, endpoint, postgresql, redis) as port:
        visits = [Request("GET", f"/{flavour.path}/{770_000_000 + number}") for number in range(COUNT)]
        answers = load(port, visits, connections=COUNT)
        assert Counter(answer.status for answer in answers) == {502: COUNT}, answers[0].body
    assert not endpoint.invalid, endpoint.invalid[0]
    assert max(endpoint.counts().values()) == 1
    trees: dict[str, Tree] = {}
    for item in endpoint.items:
        trees.setdefault(item["tags"].get("ai.operation.id", "none"), Tree([])).items.append(item)
    assert len(trees) == COUNT
    expected = whole(flavour.path)
    for tree in trees.values():
        assert tree.shape() == expected
        assert len(tree.numbers()) == 1
    assert len(set.union(*(tree.numbers() for tree in trees.values()))) == COUNT
