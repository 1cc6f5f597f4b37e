"""The console's own self-signed certificate: its names, and when it is made anew."""

from __future__ import annotations

import datetime
import socket
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway_admin.launch import self_signed

NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
NAMES = ("localhost", "127.0.0.1", "console.example.org")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where it is to be kept; its directory does not exist yet."""
    return tmp_path / "console" / "self-signed.pem"


def test_it_is_for_the_loopback_this_machine_and_what_is_configured() -> None:
    given = self_signed.names(
        ["gw.example.org", "[2001:db8::7]", ".example.net", "*", "localhost"],
        ["0.0.0.0", "192.0.2.7"],
    )
    assert given == (
        *("localhost", "127.0.0.1", "::1", socket.gethostname(), "192.0.2.7"),
        *("gw.example.org", "2001:db8::7", "*.example.net"),
    )


def test_it_is_a_server_certificate_of_825_days_that_only_its_owner_can_read(path: Path) -> None:
    assert self_signed.ensure(path, NAMES, NOW)
    made = x509.load_pem_x509_certificate(path.read_bytes())
    held = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert held.get_values_for_type(x509.DNSName) == ["localhost", "console.example.org"]
    assert [str(ip) for ip in held.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    second = datetime.timedelta(seconds=1)
    assert made.not_valid_after_utc - made.not_valid_before_utc + second == 825 * DAY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("names", "now", "expected"),
    [
        (NAMES, NOW, False),
        (NAMES[:2], NOW + 794 * DAY, False),
        (NAMES, NOW + 796 * DAY, True),
        (NAMES, NOW - DAY, True),
        ((*NAMES, "192.0.2.7"), NOW, True),
    ],
    ids=["same", "fewer names, later", "last 30 days", "clock was ahead", "new name"],
)
def test_it_is_made_anew_only_when_it_ends_soon_or_lacks_a_name(
    path: Path, names: tuple[str, ...], now: datetime.datetime, expected: bool
) -> None:
    self_signed.ensure(path, NAMES, NOW)
    before = path.read_bytes()
    assert self_signed.ensure(path, names, now) is expected
    assert (path.read_bytes() != before) is expected


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_damaged_one_is_made_anew(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert self_signed.ensure(path, NAMES, NOW)
    assert not self_signed.ensure(path, NAMES, NOW)
