"""What a user is told about nonsense in the environment, and that nothing else comes of it."""

from __future__ import annotations

import random

import pytest

from autotrace.settings import OPTIONS, load

KEY = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
STRING = "APPLICATIONINSIGHTS_CONNECTION_STRING"
PORTAL = f"InstrumentationKey={KEY};IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/"
DEFAULTS = [getattr(load({}), option.field) for option in OPTIONS]

BAD = [
    ("AUTOTRACE_ENABLED", ["maybe", "2", "y e s"]),
    ("AUTOTRACE_SAMPLER", ["nan", "inf", "-1", "-0.1", "1.01", "101%", "-5%", "%", "0,5", "1e999"]),
    ("AUTOTRACE_SAMPLER", ["always", "a.b(", "1.0.0", "a.b('x'*2)"]),
    ("AUTOTRACE_EXPORTER", ["azur", "console()", "a.b(c())", "a.__class__", "stackdriver"]),
    ("AUTOTRACE_PROPAGATOR", ["b4", "w3c", "a.b[0]"]),
    ("AUTOTRACE_BLACKLIST_PATHS", ["re:(", "re:[", "re:*", "http://["]),
    ("AUTOTRACE_BLACKLIST_HOSTNAMES", ["https://a.b", "a b", "a/b", "a:b"]),
    ("AUTOTRACE_ROLE_NAME", ["a\nb", "a\x1b[1mb", "a\udcffb", "\ud800"]),
    ("AUTOTRACE_ROLE_INSTANCE", ["a\tb"]),
    ("AUTOTRACE_APP_VERSION", ["1\r2"]),
    ("AUTOTRACE_FRAMEWORKS", ["bottle", "all"]),
    ("AUTOTRACE_LOG_LEVEL", ["loud", "10"]),
    ("AUTOTRACE_SPOOL_DIR", ["spool", "./spool", "/a\0b"]),
    ("AUTOTRACE_SPOOL_SIZE", ["0", "-1", "1.5", "50MB", "1_0", "\u0665", "9" * 5000]),
    ("AUTOTRACE_FAILED_STATUSES", ["x", "99", "1000", "599-500", "500-", "-500", "400-499-500", "4xx"]),
    ("AUTOTRACE_TRUSTED_PROXIES", ["-1", "101", "many", "*"]),
]


@pytest.mark.parametrize(
    ("variable", "text"),
    [(variable, text) for variable, texts in BAD for text in texts],
    ids=lambda text: ascii(text[:30]),
)
def test_a_bad_value_is_one_line_and_the_default_is_used(variable: str, text: str) -> None:
    settings = load({variable: text})
    assert [getattr(settings, option.field) for option in OPTIONS] == DEFAULTS
    assert dict(settings.sources) == {}
    (problem,) = settings.problems
    assert problem.startswith(f"{variable}='")
    option = next(option for option in OPTIONS if option.variable == variable)
    assert option.accepts in problem
    assert problem.endswith(f"the default is used: {option.default_text}")
    assert problem.isprintable()
    assert len(problem) < 700


def test_a_bad_entry_of_a_list_leaves_the_others() -> None:
    settings = load({"AUTOTRACE_BLACKLIST_PATHS": "/a,re:(,/b", "AUTOTRACE_FRAMEWORKS": "flask,djagno"})
    assert settings.blacklist_paths == ("/a", "/b")
    assert settings.frameworks == ("flask",)
    paths, frameworks = settings.problems
    assert paths.startswith("AUTOTRACE_BLACKLIST_PATHS='re:(' is ignored: it is not a regular expression")
    assert frameworks.startswith("AUTOTRACE_FRAMEWORKS='djagno' is ignored")
    assert "did you mean django?" in frameworks


def test_many_bad_entries_are_few_lines() -> None:
    settings = load({"AUTOTRACE_BLACKLIST_PATHS": "/a," + "re:(," * 1000})
    assert settings.blacklist_paths == ("/a",)
    assert len(settings.problems) == 4
    assert settings.problems[-1] == "AUTOTRACE_BLACKLIST_PATHS: 997 more entries are ignored"


NEAREST = {
    "AUTOTRACE_SAMPLR": "AUTOTRACE_SAMPLER",
    "AUTOTRACE_BLACKLIST_PATH": "AUTOTRACE_BLACKLIST_PATHS",
    "AUTOTRACE_ROLENAME": "AUTOTRACE_ROLE_NAME",
    "autotrace_sampler": "AUTOTRACE_SAMPLER",
}


@pytest.mark.parametrize("name", NEAREST)
def test_an_unknown_name_gets_the_nearest(name: str) -> None:
    (problem,) = load({name: "secretsecret"}).problems
    assert problem == f"{name} is not a setting (did you mean {NEAREST[name]}?)"


def test_an_unknown_name_like_no_other() -> None:
    (problem,) = load({"AUTOTRACE_\n\udcff" + "x" * 100_000: "1"}).problems
    assert problem.isprintable()
    assert len(problem) < 200
    assert "did you mean" not in problem
    assert load({"AUTOTRACER": "1", "_AUTOTRACE_PYTHON": "1", "MY_AUTOTRACE_X": "1"}).problems == ()


NAMES = [name for option in OPTIONS for name in (option.variable, *option.aliases)]
SECRET = [STRING, "APPINSIGHTS_INSTRUMENTATIONKEY"]
EXPRESSIONS = ["AUTOTRACE_SAMPLER", "AUTOTRACE_EXPORTER", "AUTOTRACE_PROPAGATOR"]


def test_nonsense_everywhere() -> None:
    chance = random.Random(17)  # noqa: S311 - reproducible nonsense, no secret
    for _ in range(300):
        environ = {}
        for name in [*NAMES, "AUTOTRACE_\x1b[2J", "AUTOTRACE_\udcfe"]:
            noise = bytes(chance.choices(range(1, 256), k=chance.choice([1, 5, 80, 600])))
            environ[name] = noise.decode("utf-8", "surrogateescape")
        settings = load(environ)
        for problem in settings.problems:
            assert problem.isprintable()
            assert len(problem) < 1000
            problem.encode("utf-8")
        assert settings.connection_string is None
        assert 0.0 <= settings.sampler <= 1.0


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_told(name: str) -> None:
    for secret in ("secretsecret", PORTAL, KEY, f"x{KEY}", KEY.replace("-", "")):
        for text in (secret, f"({secret}", f"re:({secret}", f"a.b('{secret}'", f"a.b(c={secret})"):
            told = "\n".join(load({name: text}).problems)
            assert KEY[8:] not in told
            assert KEY.replace("-", "")[8:] not in told
            if name in SECRET or (name in EXPRESSIONS and "(" in text):
                assert "secretsecret" not in told


def test_huge_values_are_read() -> None:
    for name in NAMES:
        for text in ("(" * 120_000, "re:(," * 24_000, "," * 120_000, "a.b(" + "[" * 120_000, "9" * 120_000):
            for problem in load({name: text}).problems:
                assert len(problem) < 1000
