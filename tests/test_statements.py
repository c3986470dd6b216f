"""SQL is told without its values, whatever quotes a database knows."""

from __future__ import annotations

import pytest

from autotrace import statements
from autotrace.statements import tell

CASES = [
    ("", "SELECT 1", "SELECT", "SELECT ?"),
    ("", "select a1 from t2 where b = 'it''s s3cret' -- s3cret", "SELECT t2", "select a1 from t2 where b = ?"),
    ("", "SELECT /* s3cret */ x WHERE z IN (1, 2.5, .5, 1e9, 0xFF)", "SELECT", "SELECT x WHERE z IN (?, ?, ?, ?, ?)"),
    ("", "INSERT INTO a.b VALUES (%s, ?, :n, :1, $1, %(x)s)", "INSERT a.b",
     "INSERT INTO a.b VALUES (%s, ?, :n, :1, $1, %(x)s)"),
    ("", "UPDATE \"my table\" SET x = 'unfinished", "UPDATE my", "UPDATE \"my table\" SET x = ?"),
    ("oracle", r"SELECT 'C:\' x, 's3cret'", "SELECT", "SELECT ?"),
    ("", "", "SQL", ""),
    ("", "WITH x AS (SELECT 1) SELECT * FROM x", "WITH", "WITH x AS (SELECT ?) SELECT * FROM x"),
    ("postgresql", r"SELECT 'C:\', x, 's3cret'", "SELECT", "SELECT ?, x, ?"),
    ("postgresql", r"SELECT E'it\'s s3cret', x", "SELECT", "SELECT ?"),
    ("postgresql", "SELECT $$s3cret$$, $q$s3cret$$ $q$, $1", "SELECT", "SELECT ?, ?, $1"),
    ("postgresql", "SELECT ARRAY['s3cret', name], a::int[1]", "SELECT", "SELECT ARRAY[?, name], a::int[?]"),
    ("postgresql", "DELETE FROM ONLY shop WHERE id = 7", "DELETE shop", "DELETE FROM ONLY shop WHERE id = ?"),
    ("mysql", r"""SELECT 'it\'s s3cret', "s3cret" FROM t""", "SELECT", "SELECT ?"),
    ("mysql", """SELECT 'it''s s3cret', "s3", `a'b` FROM `t` # s3cret""", "SELECT t", "SELECT ?, ?, `a'b` FROM `t`"),
    ("postgresql", "SELECT $q1$a s3cret$q1$, $\u00e9$b s3cret$\u00e9$", "SELECT", "SELECT ?, ?"),
    ("postgresql", "SELECT /* a /* b */ it's */ 's3cret'", "SELECT", "SELECT"),
    ("postgresql", "SELECT E'a'\n'b\\'s3cret'", "SELECT", "SELECT ?"),
    ("postgresql", "SELECT a[1:42], b::int, 1_234_567", "SELECT", "SELECT a[??], b::int, ?"),
    ("sqlite", 'SELECT "id" FROM t WHERE name = "s3cret word"', "SELECT t", 'SELECT "id" FROM t WHERE name = ?'),
    ("sqlite", "SELECT [it's] FROM t WHERE a = 's3cret'", "SELECT t", "SELECT [it's] FROM t WHERE a = ?"),
    ("SQL", "SELECT $52000, [x] FROM t WHERE a = N's3cret'", "SELECT t", "SELECT ?, [x] FROM t WHERE a = ?"),
    ("oracle", "SELECT q'[it's s3cret]', nq'!it's s3cret!', :1 FROM dual", "SELECT dual", "SELECT ?, ?, :1 FROM dual"),
    ("mysql", "SELECT 'a\\', 's3cret'", "SELECT", "SELECT ?"),
    ("mysql", "SELECT 1 --'x\ns3cret'", "SELECT", "SELECT ? --?"),
    ("mysql", "SELECT $$s3cret word$$, 0b1011, 0x1F_FF, 1e-5", "SELECT", "SELECT ?, ?, ?, ?"),
    ("sqlite", "DROP TABLE IF EXISTS item", "DROP item", "DROP TABLE IF EXISTS item"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "statement", "name", "text"), CASES)
def test_told(kind: str, statement: str, name: str, text: str) -> None:
    assert tell(kind, statement) == (name, text)
    # From what it remembers.
    assert tell(kind, statement) == (name, text)


def test_long_statements_end_in_good_time() -> None:
    for text in (
        "SELECT '" + "x''" * 100_000,
        "SELECT " + "1," * 500_000,
        "/*" * 100_000,
        "SELECT $a$" * 50_000,
        "\\'" * 99_999,
    ):
        for kind in ("", "postgresql", "mysql", "sqlite", "oracle"):
            assert len(tell(kind, text).text) <= 10_000


def test_long_statements_are_remembered_within_bounds() -> None:
    columns = "SELECT " + ", ".join(f"column_{number}" for number in range(500))
    for number in range(300):
        statement = f"{columns} FROM item_{number} WHERE id = 's3cret'"
        told = tell("", statement)
        assert told == (f"SELECT item_{number}", f"{columns} FROM item_{number} WHERE id = ?")
        assert tell("", statement) is told
    assert len(statements._known_long) <= 100
    # What is behind the first 10,000 characters is not told, and not kept either.
    assert tell("", "SELECT 1" * 2000) is tell("", "SELECT 1" * 2000 + "s3cret" * 100_000)
