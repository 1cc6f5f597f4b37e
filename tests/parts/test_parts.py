"""The parts themselves: a test that stands on a broken part proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
import redis
import requests
from cryptography import x509
from dns.resolver import NoNameservers, Resolver
from playwright.sync_api import Page
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.parts.processes import PartError, find_program, free_port, wait_until

if TYPE_CHECKING:
    from tests.parts.chromium import Pages
    from tests.parts.dns import DnsServer
    from tests.parts.pebble import StartAuthorities, TestAuthorities
    from tests.parts.postgresql import PostgreSQL
    from tests.parts.valkey import Valkey


def resolve(server: DnsServer, name: str, kind: str) -> list[str]:
    resolver = Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = server.port
    return [record.to_text() for record in resolver.resolve(name, kind)]


def test_a_missing_program_is_an_error_that_names_its_package() -> None:
    with pytest.raises(PartError, match=r"no-such-program is missing.*package no-such-package"):
        find_program("no-such-program", package="no-such-package")


def test_waiting_for_what_never_happens_ends_and_says_what_it_was() -> None:
    with pytest.raises(PartError, match="The moon is blue: not within"):
        wait_until(lambda: False, "The moon is blue", timeout=0.05)


def test_every_name_is_this_machine_until_a_test_says_otherwise(dns: DnsServer) -> None:
    assert resolve(dns, "mail.example.test", "A") == ["127.0.0.1"]
    dns.set_addresses("mail.example.test", "192.0.2.1", "2001:db8::1")
    assert resolve(dns, "mail.example.test", "A") == ["192.0.2.1"]
    assert resolve(dns, "mail.example.test", "AAAA") == ["2001:db8::1"]
    dns.reset()
    assert resolve(dns, "mail.example.test", "A") == ["127.0.0.1"]


def test_a_name_can_fail_to_resolve_and_recovers(dns: DnsServer) -> None:
    dns.set_failing("broken.example.test")
    with pytest.raises(NoNameservers):
        resolve(dns, "broken.example.test", "A")
    dns.reset()
    assert resolve(dns, "broken.example.test", "A") == ["127.0.0.1"]


def test_staging_and_production_have_different_roots(authorities: TestAuthorities) -> None:
    roots = {
        x509.load_pem_x509_certificate(server.root().encode()).serial_number
        for server in (authorities.staging, authorities.production)
    }
    assert len(roots) == 2


def test_the_acme_directory_is_trusted_through_the_bundle_alone(
    authorities: TestAuthorities,
) -> None:
    url = authorities.staging.directory_url
    response = requests.get(url, verify=str(authorities.https.bundle), timeout=5)
    assert "newOrder" in response.json()
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(url, timeout=5)


def test_a_restarted_authority_has_a_new_root(start_acme: StartAuthorities) -> None:
    staging = start_acme().staging
    before = staging.root()
    staging.stop()
    with pytest.raises(requests.ConnectionError):
        staging.root()
    staging.start()
    assert staging.root() != before


def test_postgresql_gives_empty_databases_behind_a_password(postgresql: PostgreSQL) -> None:
    url = postgresql.create_database("parts")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE thing (id integer)")
    assert postgresql.create_database("parts") == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('thing')").fetchone() == (None,)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(
            host=postgresql.host, port=postgresql.port, user=postgresql.user, password="guess"
        )


def test_the_broker_is_emptied_for_each_test(valkey: Valkey) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        assert client.keys() == []
        client.set("left", "over")
    valkey.flush()
    with redis.Redis.from_url(valkey.url) as client:
        assert client.keys() == []


def test_the_broker_wants_its_password(valkey: Valkey) -> None:
    never = Retry(NoBackoff(), 0)
    with (
        redis.Redis(host=valkey.host, port=valkey.port, retry=never) as client,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        client.ping()


@pytest.mark.browser
def test_the_browser_shows_a_page(page: Page) -> None:
    page.set_content("<h1>Gateway Admin</h1>")
    assert page.get_by_role("heading", name="Gateway Admin").is_visible()


@pytest.mark.browser
def test_errors_of_a_page_are_noted(pages: Pages) -> None:
    page = pages.open()
    page.set_content("<script>console.error('oh no'); throw new Error('oh dear')</script>")
    page.wait_for_function("true")
    assert any("oh no" in error for error in pages.errors)
    assert any("oh dear" in error for error in pages.errors)
    pages.errors.clear()


@pytest.mark.browser
def test_java_script_can_be_switched_off(pages: Pages) -> None:
    page = pages.open(java_script_enabled=False)
    page.set_content("<p>before</p><script>document.body.textContent = 'after'</script>")
    assert page.inner_text("body") == "before"


def test_free_ports_stay_out_of_the_kernels_own_range() -> None:
    assert all(10_100 <= free_port() < 20_000 for _ in range(20))
