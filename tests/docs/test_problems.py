"""docs/problems.md lists the code of every Problem, and no code that is gone."""

from __future__ import annotations

import re

import pytest

from tests.docs.problem_codes import CHECKOUT, UnknownCodeError, all_codes, codes_in

ROW = re.compile(r"^\| `([a-z0-9-]+)` \| (.+) \| (.+) \|$", re.MULTILINE)
PAGE = (CHECKOUT / "docs" / "problems.md").read_text()


def listed_codes() -> list[str]:
    """The codes of the page in their order."""
    return [code for code, _meaning, _remedy in ROW.findall(PAGE)]


def test_every_code_is_listed() -> None:
    assert sorted(all_codes() - set(listed_codes())) == []


def test_nothing_listed_is_gone() -> None:
    assert sorted(set(listed_codes()) - all_codes()) == []


def test_no_code_is_listed_twice() -> None:
    listed = listed_codes()

    assert sorted({code for code in listed if listed.count(code) > 1}) == []


def test_every_code_is_in_kebab_case() -> None:
    assert [
        code for code in all_codes() if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", code)
    ] == []


@pytest.mark.parametrize(
    ("source", "codes"),
    [
        ('Problem(code="a-b", severity=s)', {"a-b"}),
        ('problems.Problem("a-b", s)', {"a-b"}),
        ('Problem(code="a" if x else "b")', {"a", "b"}),
        ('def f(x):\n    code = {1: "a", 2: "b"}.get(x, "c")\n    Problem(code)', {"a", "b", "c"}),
        (
            'T = {1: "a", 2: "b"}\ndef f(x):\n    code = T.get(x, "c")\n    Problem(code)',
            {"a", "b", "c"},
        ),
        ('def f(x):\n    code, y = ("a", 1) if x else ("b", 2)\n    Problem(code)', {"a", "b"}),
        ('def f():\n    code, y = g()\n    Problem(code)\ndef g(): return "a", 1', {"a"}),
        ('def f(code): Problem(code=code)\nf("a")\nf(code="b")', {"a", "b"}),
        ('class C:\n    def f(self, code): Problem(code)\n    def g(self): self.f("a")', {"a"}),
        (
            'def f(code): Problem(code)\ndef g(code): f(code)\ng("a")',
            {"a"},
        ),
        (
            'def f():\n    for sign, code in (("/", "a"), ("@", "b")):\n        Problem(code)',
            {"a", "b"},
        ),
    ],
)
def test_codes_are_found_however_they_are_written(source: str, codes: set[str]) -> None:
    assert codes_in(source) == codes


@pytest.mark.parametrize(
    "source",
    [
        "Problem(code=other.code)",
        'Problem(code=f"new-{kind}")',
        "def f(code): Problem(code)",
        "def f(): Problem(code)",
        "def f(): Problem(T.get(1))",
        "def f():\n    code, y = g()\n    Problem(code)\ndef g(): return x, 1",
        "Problem()",
    ],
)
def test_a_code_that_cannot_be_read_is_an_error(source: str) -> None:
    with pytest.raises(UnknownCodeError):
        codes_in(source)
