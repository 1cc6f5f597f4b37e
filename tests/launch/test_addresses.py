"""Where the console listens."""

from __future__ import annotations

import socket

import pytest

from gateway_admin.launch import addresses
from gateway_admin.launch.addresses import Address
from gateway_admin.launch.errors import LaunchError
from tests.parts.processes import free_port

HERE = socket.gethostname()


@pytest.mark.parametrize(
    ("host", "bind", "connect_host", "url"),
    [
        ("127.0.0.1", "127.0.0.1:80", "127.0.0.1", "http://127.0.0.1:80"),
        ("localhost", "localhost:80", "localhost", "http://localhost:80"),
        ("::1", "[::1]:80", "::1", "http://[::1]:80"),
        ("[::1]", "[::1]:80", "::1", "http://[::1]:80"),
        ("0.0.0.0", "0.0.0.0:80", "127.0.0.1", f"http://{HERE}:80"),
        ("::", "[::]:80", "::1", f"http://{HERE}:80"),
        ("192.0.2.7", "192.0.2.7:80", "192.0.2.7", "http://192.0.2.7:80"),
    ],
)
def test_an_address_is_written_as_each_reader_needs_it(
    host: str, bind: str, connect_host: str, url: str
) -> None:
    address = Address(host, 80)
    assert (address.bind, address.connect_host, address.url) == (bind, connect_host, url)


def test_an_address_with_tls_is_written_as_https() -> None:
    assert Address("::1", 443, tls=True).url == "https://[::1]:443"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.7", False),
        ("mail.example.com", False),
    ],
)
def test_only_loopback_addresses_count_as_private(host: str, expected: bool) -> None:
    assert Address(host, 1).is_loopback is expected


def test_a_free_port_is_accepted() -> None:
    addresses.check_free(Address("127.0.0.1", free_port()))


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LaunchError, match=rf"Port {port} on 127\.0\.0\.1 is taken.*--port"):
            addresses.check_free(Address("127.0.0.1", port))


def test_a_port_taken_on_one_address_is_taken_for_all() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(LaunchError, match="is taken"),
    ):
        addresses.check_free(Address("0.0.0.0", server.getsockname()[1]))


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(LaunchError, match=r"nowhere\.invalid"):
        addresses.check_free(Address("nowhere.invalid", free_port()))


def test_a_foreign_address_is_named() -> None:
    with pytest.raises(LaunchError, match=r"192\.0\.2\.7 is not an address of this machine"):
        addresses.check_free(Address("192.0.2.7", free_port()))


def test_one_address_is_known_by_itself() -> None:
    assert addresses.names(Address("::1", 1)) == ("[::1]",)
    assert addresses.names(Address("192.0.2.7", 1)) == ("192.0.2.7",)


def test_all_addresses_are_known_by_the_machines_name() -> None:
    assert HERE in addresses.names(Address("0.0.0.0", 1))
