"""The operator's commands that read what other tools have written."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError
from pytest_django import Settings

from certificates.models import FollowedFiles, Gateway
from challenges.problems import ProblemError
from gateway_admin.management.commands import follow_files, import_certificate
from gateway_admin.management.operating import OperatorCommand
from tests.certificates.chains import make_chain


@pytest.fixture
def directory(tmp_path: Path, data_dir: Path, settings: Settings) -> Path:
    """The one whose files may be followed."""
    allowed = tmp_path / "other-tool"
    allowed.mkdir()
    settings.CONFIGURATION = dataclasses.replace(
        settings.CONFIGURATION, certificate_directories=(allowed,)
    )
    return allowed


def said(command: type[OperatorCommand], words: Sequence[object]) -> str:
    """What the command says on standard output. Raises what it ends with."""
    out = StringIO()
    running = command(stdout=out, stderr=out, no_color=True)
    parser = running.create_parser("manage.py", command.__module__.rpartition(".")[2])
    running.carry_out(vars(parser.parse_args([str(word) for word in words])))
    return out.getvalue()


def answer(command: type[OperatorCommand], *words: object) -> dict[str, Any]:
    """Its JSON document."""
    document: dict[str, Any] = json.loads(said(command, [*words, "--json"]))
    return document


def put(directory: Path, gateway: Gateway) -> list[object]:
    """The files, as options."""
    leaf = make_chain(*gateway.names)
    (directory / "fullchain.pem").write_bytes(leaf.chain_pem)
    (directory / "privkey.pem").write_bytes(leaf.key_pem())
    return ["--certificate", directory / "fullchain.pem", "--key", directory / "privkey.pem"]


def test_files_are_followed_and_the_answer_says_what_is_in_use(
    gateway: Gateway, directory: Path
) -> None:
    document = answer(follow_files.Command, *put(directory, gateway))["followed"]
    gateway.refresh_from_db()
    assert document["certificate_path"] == str(directory / "fullchain.pem")
    assert document["key_path"] == str(directory / "privkey.pem")
    assert document["certificate"]["id"] == gateway.selected_certificate_id
    assert document["problem"] is None
    assert "default follows" in said(follow_files.Command, put(directory, gateway))


def test_following_ends_once(gateway: Gateway, directory: Path) -> None:
    said(follow_files.Command, put(directory, gateway))
    assert answer(follow_files.Command, "--stop") == {"followed": None}
    assert not FollowedFiles.objects.exists()
    with pytest.raises(CommandError, match="follows no files"):
        said(follow_files.Command, ["--stop"])


def test_a_path_outside_is_refused(gateway: Gateway, directory: Path, tmp_path: Path) -> None:
    with pytest.raises(ProblemError) as caught:
        said(follow_files.Command, put(tmp_path, gateway))
    assert str(directory) in str(caught.value)


@pytest.mark.parametrize("words", [[], ["--stop", "--certificate", "/x"], ["--key", "/x"]])
def test_files_or_the_end_must_be_named(words: list[str]) -> None:
    with pytest.raises(CommandError):
        said(follow_files.Command, words)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["file.pem", "--from-certbot", "/x"],
        ["file.pem", "--lineage", "x"],
        ["--from-certbot", "/x", "--replace", "1"],
        ["--from-certbot", "/x", "--password-file", "/x"],
    ],
)
def test_files_and_certbots_directory_are_not_mixed(words: list[str]) -> None:
    with pytest.raises(CommandError) as caught:
        said(import_certificate.Command, words)
    assert caught.value.returncode == 2


def test_a_directory_that_is_not_certbots_is_refused(db: None, tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"renewal/NAME\.conf"):
        said(import_certificate.Command, ["--from-certbot", tmp_path])
