"""The constraints: exact versions, hashes, no addresses, and nothing missing."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.parts.product import CHECKOUT

FILES = ("constraints.txt", "constraints-dev.txt")
PROJECT: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())


def pinned(name: str) -> dict[str, str]:
    """Package to version."""
    text = (CHECKOUT / "deploy" / name).read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)==([^\s;]+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("name", FILES)
def test_there_is_no_address_in_the_constraints(name: str) -> None:
    text = (CHECKOUT / "deploy" / name).read_text()
    assert not re.search(r"://|file:|@ |^-", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", FILES)
def test_every_package_has_hashes(name: str) -> None:
    text = (CHECKOUT / "deploy" / name).read_text()
    entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    assert len(entries) == len(pinned(name))
    assert all("--hash=sha256:" in entry for entry in entries)


def test_every_dependency_is_pinned_at_or_above_its_floor() -> None:
    runtime, development = (pinned(name) for name in FILES)
    groups = [
        (PROJECT["project"]["dependencies"], runtime),
        (PROJECT["dependency-groups"]["dev"], development),
    ]
    for wanted, versions in groups:
        for line in wanted:
            requirement = Requirement(line)
            assert versions[canonicalize_name(requirement.name)] in requirement.specifier, line


def test_the_tests_run_on_the_versions_that_the_product_runs_on() -> None:
    runtime, development = (pinned(name) for name in FILES)
    assert runtime.items() <= development.items()
    assert version("django") == runtime["django"]
