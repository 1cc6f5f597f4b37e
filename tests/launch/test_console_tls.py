"""Which certificate the console shows, without starting one; and what administrators read of it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import shutil
import socket
import ssl
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from gateway_admin import configuration
from gateway_admin.configuration import Configuration
from gateway_admin.launch import console_tls, self_signed
from gateway_admin.launch.console_tls import ConsoleCertificate
from tests.console import administrator, encryption_keys, fresh_cache, operator

__all__ = ["administrator", "encryption_keys", "fresh_cache", "operator"]

NAMES = ("localhost",)
NOW = datetime.datetime.now(datetime.UTC)


def configured(data_dir: Path, value: str) -> Configuration:
    """With that GATEWAY_ADMIN_CONSOLE_CERTIFICATE."""
    return configuration.load(
        {
            "GATEWAY_ADMIN_DATA_DIR": str(data_dir),
            "GATEWAY_ADMIN_CONSOLE_CERTIFICATE": value,
        }
    )


@pytest.fixture
def console(tmp_path: Path) -> ConsoleCertificate:
    """A console with a certificate of its own, which is made when it is first asked for."""
    return console_tls.of(configured(tmp_path, "self-signed"), NAMES)


@pytest.fixture
def serving(console: ConsoleCertificate, monkeypatch: pytest.MonkeyPatch) -> str:
    """This process serves with it; the fingerprint."""
    monkeypatch.setattr(console_tls, "_console", console)
    return console.current().fingerprint


def test_no_less_than_tls_1_2_is_spoken(console: ConsoleCertificate) -> None:
    assert console.current().context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_an_unchanged_certificate_is_loaded_once(console: ConsoleCertificate) -> None:
    assert console.current() is console.current()


def test_whether_it_has_to_be_made_anew_is_looked_at_now_and_then(
    console: ConsoleCertificate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    self_signed.ensure(console.own, NAMES, NOW)
    old = console.own.read_bytes()
    console.current()
    assert console.own.read_bytes() == old
    console.names = (*NAMES, "console.example.org")
    assert console.current().fingerprint not in caplog.text
    monkeypatch.setattr(console_tls, "RENEWAL_LOOKED_AT_EVERY", 0.0)
    assert console.current().fingerprint in caplog.text
    assert console.own.read_bytes() != old


def test_a_client_that_takes_no_answer_is_not_waited_for(
    console: ConsoleCertificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_tls, "ANSWER_PATIENCE", 0.01)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    context = console.current().context
    trusting = ssl.create_default_context(cafile=console.own)
    with (
        context.wrap_socket(ours, server_side=True, do_handshake_on_connect=False) as server,
        trusting.wrap_socket(
            theirs, server_hostname="localhost", do_handshake_on_connect=False
        ) as client,
    ):
        for side in (client, server, client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
        server.setblocking(True)
        with pytest.raises(ConnectionResetError):
            server.sendall(bytes(10_000_000))


@pytest.mark.parametrize("content", [None, "garbage"])
def test_its_own_certificate_is_made_anew_at_once_when_it_is_gone_or_damaged(
    console: ConsoleCertificate, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    before = console.current().fingerprint
    console.own.unlink()
    if content:
        console.own.write_text(content)
    caplog.clear()
    assert console.current().fingerprint != before
    assert console.current().fingerprint in caplog.text


def test_where_it_cannot_be_made_anew_the_last_one_goes_on_and_one_line_says_so(
    console: ConsoleCertificate, caplog: pytest.LogCaptureFixture
) -> None:
    before = console.current()
    shutil.rmtree(console.own.parent)
    console.own.parent.write_text("not a directory")
    caplog.clear()
    assert console.current() is console.current() is before
    assert len(caplog.records) == 2
    assert "cannot be written" in caplog.text
    assert "cannot be used" in caplog.text


@pytest.fixture
def live(console: ConsoleCertificate, tmp_path: Path) -> Path:
    """The files of a gateway, which the console shows."""
    console.live = tmp_path / "live"
    self_signed.ensure(console.live / "fullchain.pem", NAMES, NOW)
    shutil.copy(console.live / "fullchain.pem", console.live / "privkey.pem")
    return console.live


@pytest.mark.parametrize(
    ("trouble", "is_tried_again"),
    [
        (OSError(errno.EMFILE, "Too many open files"), True),
        (OSError(errno.EIO, "Input/output error"), True),
        (ssl.SSLError("KEY_VALUES_MISMATCH"), False),
        (ValueError("not a certificate"), False),
    ],
)
def test_only_what_is_wrong_with_the_files_themselves_is_remembered(
    console: ConsoleCertificate,
    live: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trouble: Exception,
    is_tried_again: bool,
) -> None:
    mine = console_tls.ConsoleCertificate(console.own, None, NAMES).current().fingerprint
    make_context = console_tls._context

    def failing(certificate: Path, key: Path) -> ssl.SSLContext:
        if certificate.parent == live.resolve():
            raise trouble
        return make_context(certificate, key)

    monkeypatch.setattr(console_tls, "_context", failing)
    assert console.current().fingerprint == console.current().fingerprint == mine
    assert caplog.text.count("cannot be used for the console") == 1
    monkeypatch.setattr(console_tls, "_context", make_context)
    assert (console.current().fingerprint != mine) is is_tried_again


@pytest.mark.parametrize("value", ["../x", "a b", "mx.example.org"])
def test_what_is_no_short_name_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(configuration.ConfigurationError, match="CONSOLE_CERTIFICATE must be"):
        configured(tmp_path, value)


def test_administrators_are_told_the_fingerprint_and_what_to_do(
    administrator: Client, operator: Client, serving: str
) -> None:
    page = administrator.get("/log/").content.decode()
    assert serving in page
    assert "GATEWAY_ADMIN_CONSOLE_CERTIFICATE" in page
    assert serving not in operator.get("/log/").content.decode()
    assert serving not in administrator.get("/log/", headers={"HX-Request": "true"}).text


def test_where_a_gateway_is_configured_the_page_says_what_is_waited_for(
    administrator: Client, serving: str, settings: Settings
) -> None:
    settings.CONFIGURATION = dataclasses.replace(
        settings.CONFIGURATION, console_certificate="default"
    )
    page = administrator.get("/log/").content.decode()
    assert serving in page
    assert "as soon as the gateway default has one from a CA" in page


def test_a_console_that_others_serve_says_nothing(administrator: Client) -> None:
    assert "fingerprint" not in administrator.get("/log/").content.decode()
