"""Fixtures for every test: a data directory, real parts, a browser, the product's processes."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

# Settings are read when Django is set up, a few lines below: from a data directory of this test
# run alone, and from nothing that happens to be in the environment. That is why pyproject.toml
# does not name the settings module, which would make pytest-django read them before this.
OURS = ("GATEWAY_ADMIN_", "DATABASE_", "CELERY_", "DJANGO_")
for variable in [name for name in os.environ if name.startswith(OURS)]:
    del os.environ[variable]
_run_directory = tempfile.TemporaryDirectory(prefix="gateway-admin-tests-")
os.environ["GATEWAY_ADMIN_DATA_DIR"] = str(Path(_run_directory.name) / "data")
os.environ["DJANGO_SETTINGS_MODULE"] = "gateway_admin.settings"

import django

django.setup()

import pytest
from django.conf import settings as django_settings
from playwright.sync_api import Browser, Page
from pytest_django import Settings

from tests.parts.chromium import Pages, chromium
from tests.parts.dns import DnsServer
from tests.parts.faulty_ca import FaultyAuthorities, FaultyCa, StartFaultyAuthorities
from tests.parts.pebble import PebbleOptions, StartAuthorities, TestAuthorities, start_authorities
from tests.parts.postgresql import PostgreSQL
from tests.parts.processes import free_port
from tests.parts.product import MakeProduct, Product
from tests.parts.valkey import Valkey

# Hashing passwords slowly is right for the product and wastes most of a test run.
django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--soak`` repeats what is decided by chance as often as the targets ask for."""
    parser.addoption(
        "--soak", action="store_true", help="repeat what chance decides, and run what takes long"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is marked ``soak`` to runs with ``--soak``; pytest says how many that are."""
    if config.getoption("--soak"):
        return
    left = [item for item in items if item.get_closest_marker("soak")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The worst of each figure that tests have recorded with ``record_property``."""
    worst: dict[str, float] = {}
    for report in terminalreporter.getreports("passed"):
        test, _, _ = report.nodeid.partition("[")
        for name, value in report.user_properties:
            if isinstance(value, float):
                worst[f"{test}: {name}"] = max(value, worst.get(f"{test}: {name}", value))
    for figure, value in sorted(worst.items()):
        terminalreporter.write_line(f"{figure}: {value:g} at worst")


def pytest_unconfigure() -> None:
    """Delete the data directory of the test run."""
    _run_directory.cleanup()


@pytest.fixture(scope="session")
def soak(pytestconfig: pytest.Config) -> bool:
    """Whether this run may take hours."""
    return bool(pytestconfig.getoption("--soak"))


@pytest.fixture(scope="session")
def repetitions(soak: bool) -> Callable[[int, int], int]:
    """``repetitions(10, 100)``: so often, and so often with ``--soak``."""
    return lambda usual, soaking: soaking if soak else usual


@pytest.fixture
def data_dir(tmp_path: Path, settings: Settings) -> Path:
    """An empty data directory of this test's own, in the settings of this process as well."""
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    settings.CONFIGURATION = dataclasses.replace(settings.CONFIGURATION, data_dir=directory)
    return directory


@pytest.fixture(scope="session")
def parts_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the real parts keep their files and logs."""
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="session")
def dns_server(parts_dir: Path) -> Iterator[DnsServer]:
    """The one DNS server of the test run; tests that change answers take ``dns``."""
    with closing(DnsServer(parts_dir)) as server:
        yield server


@pytest.fixture
def dns(dns_server: DnsServer) -> Iterator[DnsServer]:
    """The DNS server; what the test sets is taken back afterwards."""
    yield dns_server
    dns_server.reset()


@pytest.fixture(scope="session")
def authorities(dns_server: DnsServer, parts_dir: Path) -> Iterator[TestAuthorities]:
    """A staging and a production ACME server for tests that leave them as they were."""
    with closing(start_authorities(parts_dir / "acme", dns=dns_server.address)) as started:
        yield started


@pytest.fixture
def start_acme(dns_server: DnsServer, tmp_path: Path) -> Iterator[StartAuthorities]:
    """Starts staging and production for this test alone, with options, to be hurt as it likes."""
    with ExitStack() as stack:

        def start(
            options: PebbleOptions | None = None, *, http_port: int | None = None
        ) -> TestAuthorities:
            directory = tmp_path / f"acme-{free_port()}"
            return stack.enter_context(
                closing(
                    start_authorities(
                        directory, dns=dns_server.address, http_port=http_port, options=options
                    )
                )
            )

        yield start


@pytest.fixture
def faulty_ca(authorities: TestAuthorities) -> Iterator[FaultyCa]:
    """A faulty CA before the production server of the test run, which must not be restarted."""
    with closing(FaultyCa(authorities.production, authorities.https)) as ca:
        yield ca


@pytest.fixture
def start_faulty_acme(start_acme: StartAuthorities) -> Iterator[StartFaultyAuthorities]:
    """Starts staging and production behind faulty CAs, for this test alone."""
    with ExitStack() as stack:

        def start(
            options: PebbleOptions | None = None, *, http_port: int | None = None, seed: int = 0
        ) -> FaultyAuthorities:
            behind = start_acme(options, http_port=http_port)
            return stack.enter_context(closing(FaultyAuthorities.before(behind, seed=seed)))

        yield start


@pytest.fixture(scope="session")
def postgresql(parts_dir: Path) -> Iterator[PostgreSQL]:
    """A PostgreSQL server; ``create_database(name)`` gives the URL of an empty database."""
    with closing(PostgreSQL(parts_dir / "postgresql.log")) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server(parts_dir: Path) -> Iterator[Valkey]:
    """The one Valkey or Redis of the test run; tests take ``valkey``."""
    with closing(Valkey(parts_dir / "valkey", password="p@ss/word:#1")) as server:
        yield server


@pytest.fixture
def valkey(valkey_server: Valkey) -> Valkey:
    """Valkey or Redis without any message."""
    valkey_server.flush()
    return valkey_server


@pytest.fixture(params=["embedded", "postgresql+valkey"])
def backends(request: pytest.FixtureRequest) -> dict[str, str]:
    """The product's environment for each of the two sets of database and broker."""
    if request.param == "embedded":
        return {}
    database: PostgreSQL = request.getfixturevalue("postgresql")
    broker: Valkey = request.getfixturevalue("valkey")
    return {
        "DATABASE_URL": database.create_database("gateway_admin_test"),
        "CELERY_BROKER_URL": broker.url,
    }


@pytest.fixture
def make_product(tmp_path: Path) -> Iterator[MakeProduct]:
    """Makes products on data directories of this test's own and stops them afterwards.

    ``make_product(env)`` again, with the same ``name``, is the same data directory.
    """
    with ExitStack() as stack:

        def make(env: Mapping[str, str] | None = None, *, name: str = "product") -> Product:
            return stack.enter_context(Product(tmp_path / name / "data", env))

        yield make


@pytest.fixture
def product(make_product: MakeProduct, authorities: TestAuthorities) -> Product:
    """The product on the embedded default, told of the two ACME servers; nothing runs yet."""
    return make_product(authorities.environment())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Per module: Playwright keeps an event loop running in this thread meanwhile."""
    with chromium() as running:
        yield running


@pytest.fixture
def pages(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pages]:
    """Opens pages with any options; the test fails if a page had an error in its console.

    A test that expects errors clears ``pages.errors`` itself.
    """
    # Django takes Playwright's event loop for ours and would refuse to touch the database.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with Pages(browser) as opened:
        yield opened
    assert opened.errors == []


@pytest.fixture
def page(pages: Pages) -> Page:
    """One page with JavaScript, 1280 × 720, light."""
    return pages.open()
