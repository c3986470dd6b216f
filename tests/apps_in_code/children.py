"""Requests answered by children of multiprocessing: `python children.py METHOD KIND COUNT` answers COUNT of them."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import sys

from flask import Flask

CHILDREN = 3
app = Flask("shop")
app.add_url_rule("/<int:number>", "page", lambda number: str(number))


def answer(number: int) -> int:
    """Answer one request in this process."""
    trace = f"00-{number + 1:032x}-{number + 1:016x}-01"
    return app.test_client().get(f"/{number}", headers={"traceparent": trace}).status_code


def answer_all(numbers: list[int]) -> None:
    """Answer some requests in this process."""
    assert {answer(number) for number in numbers} == {200}


def main(method: str, kind: str, count: int) -> None:
    """Have children of a kind, started in a way, answer the requests between them."""
    context = multiprocessing.get_context(method)
    numbers = list(range(count))
    if kind == "Process":
        parts = [numbers[first::CHILDREN] for first in range(CHILDREN)]
        children = [context.Process(target=answer_all, args=(part,)) for part in parts]
        for child in children:
            child.start()
        for child in children:
            child.join()
        assert {child.exitcode for child in children} == {0}
    elif kind == "Executor":
        with concurrent.futures.ProcessPoolExecutor(CHILDREN, context) as executor:
            assert set(executor.map(answer, numbers)) == {200}
    else:
        with context.Pool(CHILDREN) as pool:
            assert set(pool.map(answer, numbers)) == {200}
            if kind == "closed Pool":
                pool.close()
                pool.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
