"""What `rotate_encryption_keys` says, and how it ends."""

from __future__ import annotations

import datetime
import io
import json
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management.base import CommandError
from django.utils import timezone
from pytest_django import Settings

from certificates import sealing
from certificates.models import Certificate, Gateway
from challenges.problems import ProblemError
from gateway_admin.management.commands.rotate_encryption_keys import Command
from tests.console import make_certificate

OLD, NEW = bytes(32), bytes(range(32))
OLD_ID, NEW_ID = sealing.key_id(OLD), sealing.key_id(NEW)
BACKUP = "A backup from before this opens with the old keys alone"


@pytest.fixture
def key_file(tmp_path: Path, settings: Settings) -> Path:
    """A file of our own with one key, and the settings that name it."""
    file = tmp_path / "encryption_keys"
    file.write_text(sealing.write_keys([OLD]))
    settings.ENCRYPTION_KEYS_FILE = file
    settings.READ_ENCRYPTION_KEYS = file.read_text
    return file


@pytest.fixture
def certificate(key_file: Path, gateway: Gateway) -> Certificate:
    """One that is sealed with the file's key."""
    return make_certificate(gateway)


def answer(*arguments: str, fails: bool = False) -> tuple[str, str]:
    """What it says on standard output, and the line that it fails with."""
    out = io.StringIO()
    command = Command(stdout=out, no_color=True)
    parser = command.create_parser("manage.py", "rotate_encryption_keys")
    options = vars(parser.parse_args(list(arguments)))
    if not fails:
        command.carry_out(options)
        return out.getvalue(), ""
    with pytest.raises(CommandError) as caught:
        command.carry_out(options)
    assert caught.value.returncode == 1
    assert len(str(caught.value).splitlines()) == 1
    return out.getvalue(), str(caught.value)


@pytest.mark.usefixtures("certificate")
def test_it_says_what_was_done_what_is_kept_and_what_a_backup_needs(key_file: Path) -> None:
    said, _ = answer()

    new = sealing.key_id(sealing.read_keys(key_file.read_text())[0])
    assert f"1 stored keys were sealed with the new key {new}." in said
    assert f"Old keys stay in the file: {OLD_ID}." in said
    assert BACKUP in said
    for key in key_file.read_text().split():
        assert key not in said


@pytest.mark.usefixtures("certificate")
def test_the_json_holds_the_same(key_file: Path) -> None:
    said: dict[str, Any] = json.loads(answer("--json")[0])

    assert said.pop("key") != OLD_ID
    assert said == {
        "is_new": True,
        "is_given": False,
        "kept": [OLD_ID],
        "forgotten": [],
        "resealed": 1,
        "unopened": [],
    }


@pytest.mark.usefixtures("key_file")
def test_what_could_not_be_opened_is_one_line_and_all_else_is_done(
    certificate: Certificate, gateway: Gateway
) -> None:
    damaged = make_certificate(gateway)
    Certificate.objects.filter(pk=damaged.pk).update(sealed_key="v1.gone.gone")

    said, failure = answer("--json", fails=True)

    assert failure.startswith(
        "1 stored keys could not be opened and stay as they are: "
        f"certificate {damaged.pk}. Everything else"
    )
    assert json.loads(said)["unopened"] == [{"model": "certificate", "pk": damaged.pk}]
    assert Certificate.objects.get(pk=certificate.pk).sealed_key != certificate.sealed_key


@pytest.mark.usefixtures("certificate")
def test_keys_of_the_environment_are_only_used_and_it_says_how_to_add_one(
    key_file: Path, settings: Settings
) -> None:
    settings.ENCRYPTION_KEYS_FILE = None
    key_file.write_text(sealing.write_keys([NEW, OLD]))

    said, _ = answer()
    forgotten, _ = answer("--forget-old")

    assert f"1 stored keys were sealed with the newest key {NEW_ID}." in said
    assert "The keys are given by the environment" in said
    assert "head -c 32 /dev/urandom" in said
    assert f"Nothing that is stored needs {OLD_ID}." in forgotten
    assert BACKUP in forgotten


@pytest.mark.usefixtures("certificate")
def test_old_keys_are_forgotten_a_day_later(key_file: Path) -> None:
    assert answer("--forget-old")[0] == f"There is no old key; {OLD_ID} is the only one.\n"
    answer()
    with pytest.raises(ProblemError) as caught:
        answer("--forget-old")
    assert caught.value.problem.code == "encryption-keys-too-recent"

    with time_machine.travel(timezone.now() + datetime.timedelta(days=1)):
        said, _ = answer("--forget-old")

    assert said.startswith(f"Forgotten: {OLD_ID}.")
    assert BACKUP in said
    assert len(sealing.read_keys(key_file.read_text())) == 1
