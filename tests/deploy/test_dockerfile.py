"""What deploy/Dockerfile says, as far as it can be tried without a container engine."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

from tests.parts import compose
from tests.parts.product import CHECKOUT

FILE = CHECKOUT / "deploy" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Every instruction with its arguments, continued lines joined, comments left out."""
    lines = [line for line in FILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found = (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    return [(name.upper(), rest.strip()) for name, _, rest in found]


def copied() -> list[Path]:
    """What is copied from the checkout."""
    sources: list[Path] = []
    for name, arguments in instructions():
        if name == "COPY" and "--from=" not in arguments:
            sources += [Path(word) for word in arguments.split()[:-1]]
    return sources


def is_sent_to_the_builder(path: Path) -> bool:
    """What .dockerignore leaves of a path: the last rule that matches it decides."""
    sent = True
    for line in (CHECKOUT / ".dockerignore").read_text().splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        pattern = rule.removeprefix("!")
        candidates = [path, *path.parents][:-1]
        if any(fnmatch(str(candidate), pattern) for candidate in candidates):
            sent = rule.startswith("!")
    return sent


def test_everything_that_is_copied_exists_and_is_sent_to_the_builder() -> None:
    assert copied()
    for path in copied():
        assert (CHECKOUT / path).exists(), path
        assert is_sent_to_the_builder(path), path


def test_neither_secrets_nor_data_are_sent_to_the_builder() -> None:
    for path in (
        "deploy/secrets/secret_key",
        "data/db.sqlite3",
        ".git/config",
        "tests/conftest.py",
    ):
        assert not is_sent_to_the_builder(Path(path)), path


def test_every_package_of_the_product_is_copied() -> None:
    packages = {init.parent.name for init in CHECKOUT.glob("*/__init__.py")} - {"tests"}
    assert packages | {"templates", "static", "manage.py"} <= {str(path) for path in copied()}


def test_the_image_runs_as_a_user_without_rights_who_owns_the_data() -> None:
    users = [arguments for name, arguments in instructions() if name == "USER"]
    assert users[-1:] == ["10001:10001"]
    services = compose.load()["services"]
    assert {services[name]["user"] for name in ("console", "worker")} == {users[-1]}
    assert services["challenges"]["user"] not in users
    made = " ".join(arguments for name, arguments in instructions() if name == "RUN")
    assert f"--uid {services['challenges']['user'].partition(':')[0]} " in made
    assert any(
        "--owner 10001" in arguments and "/data" in arguments for _, arguments in instructions()
    )


def test_packages_are_installed_by_hash_from_the_constraints_alone() -> None:
    installs = [arguments for name, arguments in instructions() if "pip install" in arguments]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert "/tmp/constraints.txt" in installs[0]
    assert Path("deploy/constraints.txt") in copied()


def test_base_images_are_pinned_to_a_version_the_project_supports() -> None:
    bases = [arguments.split()[0] for name, arguments in instructions() if name == "FROM"]
    assert len(set(bases)) == 1
    version = re.fullmatch(r"python:3\.(\d+)-slim-\w+", bases[0])
    assert version
    assert int(version[1]) >= 11


def test_nothing_is_fetched_but_the_pinned_packages() -> None:
    text = "\n".join(arguments for name, arguments in instructions() if name in {"RUN", "ADD"})
    assert not re.search(r"https?://|curl|wget|apt-get|git clone", text)
    assert not [name for name, _ in instructions() if name == "ADD"]
