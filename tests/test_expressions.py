"""Dotted calls with literal arguments: what is understood, what is refused, what they import."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from autotrace.expressions import Expression, parse

GOOD = {
    "collections.OrderedDict": ((), {}),
    "  collections.OrderedDict \n": ((), {}),
    "collections.OrderedDict()": ((), {}),
    "collections.OrderedDict (1)": ((1,), {}),
    "collections.OrderedDict(0.5, -1, +2)": ((0.5, -1, 2), {}),
    "collections.OrderedDict('a', \"b;=c\", b'd')": (("a", "b;=c", b"d"), {}),
    "collections.OrderedDict(rate=0.5, on=True, name=None,)": ((), {"rate": 0.5, "on": True, "name": None}),
    "collections.OrderedDict([1, (2, 3)], {'a': {4}})": (([1, (2, 3)], {"a": {4}}), {}),
    "collections.OrderedDict(\n    text='()',\n)": ((), {"text": "()"}),
    "collections.OrderedDict('((((((((((' '[[[[[[[[[[')": (("(" * 10 + "[" * 10,), {}),
    f"collections.OrderedDict('{'(' * 4000}')": (("(" * 4000,), {}),
}

BAD = [
    "",
    "OrderedDict",
    "OrderedDict(1)",
    ".collections.OrderedDict",
    "collections..OrderedDict",
    "collections.OrderedDict.",
    "collections.1",
    "collections.if",
    "collections .OrderedDict",
    "import os",
    "os.system; os.system",
    "os.environ['secret']",
    "os.environ.get('secret').strip",
    "os.environ.get('secret')('secret')",
    "os.environ.get('secret'",
    "os.environ.get('secret'))",
    "os.environ.get 'secret')",
    "os.environ.get('secret) ",
    "os.environ.__class__",
    "os.__dict__.get('secret')",
    "a.b(secret)",
    "a.b(secret())",
    "a.b(set())",
    "a.b(1 + 2)",
    "a.b(1 + 2j)",
    "a.b('secret' * 9)",
    "a.b('secret' % 9)",
    "a.b(not 1)",
    "a.b(~1)",
    "a.b(-'secret')",
    "a.b(*[1])",
    "a.b(**{'secret': 1})",
    "a.b({**{}})",
    "a.b({[]: 1})",
    "a.b(x=1, x=2)",
    "a.b(x=1, 2)",
    "a.b(lambda: 1)",
    "a.b([x for x in 'secret'])",
    "a.b(x for x in 'secret')",
    "a.b(f'{secret}')",
    "a.b(x := 1)",
    "a.b((yield))",
    "a.b(await secret)",
    "a.b(1 if 1 else 2)",
    "a.b('secret'[0])",
    "a.b(1\0)",
    "a.b('\ud800')",
    "a.b(" + "[" * 40 + ")",
    "a.b(" + "[" * 3000 + "]" * 3000 + ")",
    "a.b(" + "-" * 900 + "1)",
    "a.b(" + "-" * 8000 + "1)",
    "a.b(" + "not " * 240 + "1)",
    "a.b(" + "1 ** " * 190 + "1)",
    "a.b(" + "lambda: " * 120 + "1)",
    "a.b(x" + ".y" * 480 + ")",
    "a.b(" + "9" * 6000 + ")",
    "a" + ".b" * 4000,
    "a.b('" + "secret" * 17000 + "')",
    "x" * 100_000,
    "(" * 100_000,
]


@pytest.mark.parametrize("text", GOOD)
def test_understood(text: str) -> None:
    args, kwargs = GOOD[text]
    expression = parse(text)
    assert expression.path == "collections.OrderedDict"
    assert (expression.args, dict(expression.kwargs)) == (args, kwargs)


@pytest.mark.parametrize("text", BAD, ids=lambda text: repr(text[:30]))
def test_refused_in_one_line(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"^(it|its|an) ") as caught:
        parse(text)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 200
    assert "secret" not in message
    assert capfd.readouterr() == ("", "")


def test_strange_escapes_are_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse(r"a.b('\d')").args == ("\\d",)


def test_printed_without_strings() -> None:
    expression = parse("a.b('secret', 0.5, ['secret'], x='secret', y=True)")
    for text in (repr(expression), str(expression), f"{expression}"):
        assert text == "a.b(..., 0.5, ..., x=..., y=True)"


def test_the_expressions_of_the_documentation_load() -> None:
    sampler = parse("opencensus.trace.samplers.ProbabilitySampler(rate=0.5)").load()
    assert (type(sampler).__name__, sampler.rate) == ("ProbabilitySampler", 0.5)
    assert type(parse("opencensus.trace.samplers.AlwaysOnSampler").load()).__name__ == "AlwaysOnSampler"


def test_load_finds_classes_in_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "class Outer:\n  class Inner:\n    def __init__(self, size=1):\n      self.size = size\n"
    (tmp_path / "expression_target.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert parse("expression_target.Outer.Inner").load().size == 1
    assert parse("expression_target.Outer.Inner(7)").load().size == 7
    assert Expression("expression_target.Outer.Inner", (), {"size": 8}).load().size == 8


BROKEN = {
    "no_such_module_at_all.Name": (ImportError, "no module named 'no_such_module_at_all'"),
    "collections.no_such_module.Name": (ImportError, "collections has no 'no_such_module'"),
    "collections.OrderedDict.no.more": (ImportError, "collections.OrderedDict has no 'no'"),
    "collections.abc": (ValueError, "not callable"),
    "broken_import.Name": (ImportError, "importing broken_import failed: no module named 'missing_one'"),
    "broken_code.Name": (ImportError, "importing broken_code failed with ZeroDivisionError"),
    "broken_exit.Name": (ImportError, "importing broken_exit failed with SystemExit"),
    "broken_syntax.Name": (ImportError, "importing broken_syntax failed with (SyntaxError|IndentationError)"),
    "decimal.Decimal(nonsense='secretsecret')": (ValueError, "failed with TypeError"),
    "uuid.UUID('secretsecret')": (ValueError, "failed with ValueError: badly formed"),
    "json.loads('secretsecret')": (ValueError, "failed with JSONDecodeError"),
    "ipaddress.ip_address('a=secretsecret')": (ValueError, r"failed with ValueError: '\.\.\.'"),
    "ipaddress.ip_address(address='secretsecret')": (ValueError, "failed with ValueError"),
    "sys.exit('secretsecret')": (ValueError, "failed with SystemExit"),
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_cannot_be_loaded(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {"import": "import missing_one", "code": "1 / 0", "exit": "raise SystemExit", "syntax": " x ="}
    for name, source in sources.items():
        (tmp_path / f"broken_{name}.py").write_text(source + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    kind, message = BROKEN[text]
    with pytest.raises(kind, match=message) as caught:
        parse(text).load()
    assert str(caught.value).isprintable()
    assert "secret" not in str(caught.value)
    # Whoever prints the traceback must not see the string either.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
