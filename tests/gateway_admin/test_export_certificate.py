"""What `export_certificate` writes, where it refuses to, and what it leaves as it was."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from django.core.management.base import CommandError

from certificates.models import Certificate, Event, Gateway
from challenges.problems import ProblemError
from gateway_admin.management.commands.export_certificate import Command
from tests.console import make_certificate

PASSWORD = "correct horse battery staple"


@pytest.fixture
def certificate(gateway: Gateway) -> Certificate:
    """A stored one."""
    return make_certificate(gateway)


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    """Ends with a line break, as files do."""
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    return file


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A path that is free, in a folder that is empty."""
    folder = tmp_path / "exported"
    folder.mkdir()
    return folder / "file"


def export(certificate: Certificate | int, *arguments: str | Path) -> str:
    """What the command answers. Raises what it ends with."""
    out = io.StringIO()
    command = Command(stdout=out, no_color=True)
    number = certificate if isinstance(certificate, int) else certificate.pk
    words = [str(number), *map(str, arguments)]
    parser = command.create_parser("manage.py", "export_certificate")
    command.carry_out(vars(parser.parse_args(words)))
    return out.getvalue()


def refusal(certificate: Certificate | int, *arguments: str | Path) -> tuple[str, int]:
    """The sentence and the exit status."""
    with pytest.raises(CommandError) as caught:
        export(certificate, *arguments)
    assert not Event.objects.exists()
    return str(caught.value), caught.value.returncode


def test_a_chain_is_written_without_its_key(certificate: Certificate, output: Path) -> None:
    answer = export(certificate, "--format", "pem", "--output", output)

    assert output.read_text() == certificate.chain_pem
    assert answer.strip() == (
        f"Certificate {certificate.pk} was written to {output}, without its private key."
    )
    assert not Event.objects.exists()


def test_a_key_comes_first_and_encrypted_if_there_is_a_password(
    certificate: Certificate, output: Path, password_file: Path
) -> None:
    cases: list[tuple[list[str | Path], bytes | None]] = [
        ([], None),
        (["--password-file", password_file], PASSWORD.encode()),
    ]
    for arguments, secret in cases:
        export(certificate, "--format", "pem", "--output", output, "--with-key", *arguments)

        content = output.read_bytes()
        key, _, chain = content.partition(b"-----BEGIN CERTIFICATE")
        leaf = x509.load_pem_x509_certificate(b"-----BEGIN CERTIFICATE" + chain)
        assert load_pem_private_key(key, secret).public_key() == leaf.public_key()
    assert {event.message.rpartition(" by ")[2] for event in Event.objects.all()} == {
        "the command line."
    }


@pytest.mark.parametrize("more", [[], ["--legacy"], ["--with-key"]])
def test_a_pfx_file_holds_the_key(
    certificate: Certificate, output: Path, password_file: Path, more: list[str]
) -> None:
    answer: dict[str, Any] = json.loads(
        export(
            certificate,
            *("--format", "pfx", "--output", output, "--password-file", password_file),
            *("--json", *more),
        )
    )

    key, leaf, _ = pkcs12.load_key_and_certificates(output.read_bytes(), PASSWORD.encode())
    assert key is not None
    assert leaf is not None
    assert key.public_key() == leaf.public_key()
    assert answer.pop("certificate")["id"] == certificate.pk
    assert answer == {
        "file": str(output),
        "format": "pfx",
        "with_key": True,
        "legacy": "--legacy" in more,
    }


def test_a_file_is_replaced_as_a_whole_and_is_private_whatever_it_was(
    certificate: Certificate, output: Path
) -> None:
    output.write_text("x" * 100_000)
    output.chmod(0o666)
    before = output.stat().st_ino
    mask = os.umask(0)
    try:
        export(certificate, "--format", "pem", "--output", output)
    finally:
        os.umask(mask)

    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert output.stat().st_ino != before
    assert output.read_text() == certificate.chain_pem
    assert list(output.parent.iterdir()) == [output]


def test_what_cannot_be_exported_leaves_the_file_as_it_was(
    certificate: Certificate, output: Path
) -> None:
    Certificate.objects.update(sealed_key="v1.gone.gone")
    output.write_text("mine")

    with pytest.raises(ProblemError) as caught:
        export(certificate, "--format", "pem", "--with-key", "--output", output)

    assert caught.value.problem.code == "sealed-secret-unreadable"
    assert output.read_text() == "mine"


def test_what_is_no_ordinary_file_is_never_replaced(
    certificate: Certificate, tmp_path: Path
) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    target.write_text("mine")
    link.symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    for place in (link, tmp_path, tmp_path / "pipe", Path("/dev/null"), Path("/dev/stdout")):
        sentence, status = refusal(certificate, "--format", "pem", "--output", place)
        assert sentence == f"{place} exists and is no ordinary file; name another one."
        assert status == 1
    assert target.read_text() == "mine"
    assert link.is_symlink()


@pytest.mark.parametrize("place", ["missing/file", "password/file"])
def test_a_place_that_is_not_there_is_told(
    certificate: Certificate, tmp_path: Path, password_file: Path, place: str
) -> None:
    sentence, status = refusal(certificate, "--format", "pem", "--output", tmp_path / place)

    assert sentence.startswith(f"{tmp_path / place} cannot be written: ")
    assert status == 1


def test_a_certificate_that_is_not_there_is_told(gateway: Gateway, output: Path) -> None:
    sentence, status = refusal(4711, "--format", "pem", "--output", output)

    assert (sentence, status) == ("There is no certificate 4711.", 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--format pfx --output FILE", "--password-file"),
        ("--format pem --output FILE --legacy", "--format pfx alone"),
        ("--format pem --output FILE --password-file PASSWORD", "--with-key"),
        ("--format pem --output - --json", "standard output"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    certificate: Certificate, output: Path, password_file: Path, arguments: str, said: str
) -> None:
    words = arguments.replace("FILE", str(output)).replace("PASSWORD", str(password_file))

    sentence, status = refusal(certificate, *words.split())

    assert said in sentence
    assert status == 2
    assert not output.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "is not UTF-8"), (None, "No such")],
)
def test_a_password_file_that_cannot_be_used_is_told(
    certificate: Certificate, output: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "bad"
    if content is not None:
        file.write_bytes(content)

    sentence, status = refusal(
        certificate, "--format", "pfx", "--output", output, "--password-file", file
    )

    assert said in sentence
    assert str(file) in sentence
    assert status == 1
    assert not output.exists()


class _Stream(io.TextIOWrapper):
    """Standard output as it is on a terminal or in a pipe."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__(io.BytesIO())
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def test_a_chain_can_be_shown_and_a_key_goes_into_pipes_alone(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, pipe = _Stream(is_terminal=True), _Stream(is_terminal=False)
    monkeypatch.setattr(sys, "stdout", terminal)
    assert export(certificate, "--format", "pem", "--output", "-") == ""
    sentence, status = refusal(certificate, "--format", "pem", "--with-key", "--output", "-")
    monkeypatch.setattr(sys, "stdout", pipe)
    export(certificate, "--format", "pem", "--with-key", "--output", "-")

    assert (sentence.partition(";")[0], status) == (
        "A private key is not shown on a terminal",
        2,
    )
    assert shown(terminal).decode() == certificate.chain_pem
    assert shown(pipe).startswith(b"-----BEGIN PRIVATE KEY")


def shown(stream: _Stream) -> bytes:
    """What was written to it."""
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["pem", "pfx"])
def test_a_password_that_is_too_long_is_one_line_and_writes_nothing(
    certificate: Certificate, output: Path, password_file: Path, form: str
) -> None:
    password_file.write_text("ü" * 900)
    key = ("--with-key", "--password-file", password_file)
    with pytest.raises(ProblemError) as caught:
        export(certificate, "--format", form, "--output", output, *key)
    assert caught.value.problem.code == "export-password-too-long"
    assert not output.exists()
    assert not Event.objects.exists()
