"""What the documents say of variables, commands and files is so."""

from __future__ import annotations

import ast
import re
import unicodedata
from pathlib import Path

import pytest

from tests.docs.problem_codes import CHECKOUT

DOCUMENTS = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").glob("**/*.md")])
README = (CHECKOUT / "README.md").read_text()

VARIABLE = re.compile(r"(?:GATEWAY_ADMIN|DATABASE|CELERY)_[A-Z_]*[A-Z]")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# Read by configuration.secret_from, which appends _FILE itself.
SECRETS = ("GATEWAY_ADMIN_SECRET_KEY", "GATEWAY_ADMIN_ENCRYPTION_KEYS")


def section(title: str) -> str:
    """The part of the README below a heading of the second level."""
    _, found, rest = README.partition(f"\n## {title}\n")
    assert found, f"README.md has no section {title}"
    return rest.partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    """What stands first, as code, in the rows of a part's tables."""
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


def variables_read() -> set[str]:
    """The variables whose names stand in the configuration's and the settings' source."""
    names: set[str] = set()
    for file in ("configuration.py", "settings.py", "responder_settings.py"):
        tree = ast.parse((CHECKOUT / "gateway_admin" / file).read_text())
        names |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    names = {name for name in names if VARIABLE.fullmatch(name)}
    return names | {f"{secret}_FILE" for secret in SECRETS}


def test_the_configuration_table_names_every_variable_that_is_read_and_no_other() -> None:
    assert set(first_cells(section("Configuration"))) == variables_read()


def test_the_compose_file_uses_only_variables_of_the_table() -> None:
    used = set(VARIABLE.findall((CHECKOUT / "docker-compose.yml").read_text()))

    assert sorted(used - variables_read()) == []


def test_the_commands_table_names_every_command_and_no_other() -> None:
    folder = CHECKOUT / "gateway_admin" / "management" / "commands"
    commands = {file.stem for file in folder.glob("*.py")} - {"__init__"}

    listed = {cell.split()[0] for cell in first_cells(section("Operator's commands"))}

    assert listed == commands


def test_the_options_table_names_every_option_of_run() -> None:
    source = (CHECKOUT / "gateway_admin" / "launch" / "options.py").read_text()
    options = set(re.findall(r'"(--[a-z-]+)"', source))

    listed = {cell.split()[0] for cell in first_cells(section("Start"))}

    assert listed == options


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_lead_somewhere(document: Path) -> None:
    broken = [
        link
        for link in LINK.findall(CODE_BLOCK.sub("", document.read_text()))
        if not link.startswith(("http://", "https://", "mailto:"))
        and not leads_somewhere(link, document)
    ]

    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(document: Path) -> None:
    named = re.findall(
        r"`((?:scripts|deploy|docs|tests|gateway_admin|certificates|challenges)/[\w./-]+)`",
        document.read_text(),
    )

    assert [path for path in named if not exists(path)] == []


def exists(path: str) -> bool:
    """Whether the path, or the module or package it abbreviates, is in the checkout."""
    return (CHECKOUT / path).exists() or (CHECKOUT / f"{path}.py").exists()


def leads_somewhere(link: str, document: Path) -> bool:
    """Whether a relative link's file and heading exist."""
    path, _, anchor = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    if not target.exists() or not target.is_relative_to(CHECKOUT):
        return False
    return not anchor or anchor in anchors(target)


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as they are made where Markdown is shown."""
    headings = HEADING.findall(CODE_BLOCK.sub("", document.read_text()))
    return {
        "".join(
            character
            for character in heading.lower().replace(" ", "-")
            if character in "-_" or unicodedata.category(character)[0] in "LN"
        )
        for heading in headings
    }
