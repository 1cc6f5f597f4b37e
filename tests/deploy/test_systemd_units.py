"""What the units of deploy/systemd say, read by systemd's own tools and without starting any."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gateway_admin import challenge_role
from tests.parts import systemd
from tests.parts.processes import find_program
from tests.parts.product import CHECKOUT

SERVICES = {name: systemd.load(name) for name in systemd.names()}
CHALLENGES = SERVICES["gateway-admin-challenges.service"]
OTHERS = {name: unit for name, unit in SERVICES.items() if unit is not CHALLENGES}
PASSWORD = f"{systemd.SETTINGS}/challenge_database_password"
# Of systemd's own scale from 0 to 100; a service that restricts nothing has 96.
MOST_EXPOSED = 20
every_service = pytest.mark.parametrize("name", sorted(SERVICES))


def analyze(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = find_program("systemd-analyze", package="systemd")
    return subprocess.run(
        [program, "--no-pager", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units, for the checkout where it is."""
    directory = tmp_path_factory.mktemp("systemd") / "units"
    systemd.install(directory)
    return directory


def test_there_are_units_for_every_part_of_the_product() -> None:
    assert set(SERVICES) == {
        f"gateway-admin-{name}.service" for name in ("prepare", "console", "worker", "challenges")
    }


def test_systemd_finds_nothing_wrong_with_the_units(installed: Path) -> None:
    units = [f"./{name}" for name in (*SERVICES, *systemd.names(".target"))]
    done = analyze("verify", "--man=no", "--recursive-errors=no", *units, cwd=installed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_mistake_in_a_unit_would_be_found(installed: Path, tmp_path: Path) -> None:
    mistaken = tmp_path / CHALLENGES.name
    text = (installed / CHALLENGES.name).read_text()
    mistaken.write_text(text.replace("LimitNOFILE=20480", "LimitNOFILES=20480"))
    done = analyze("verify", "--man=no", f"./{mistaken.name}", cwd=tmp_path)
    assert "LimitNOFILES" in done.stderr


@every_service
def test_a_service_is_open_to_little(name: str, installed: Path) -> None:
    options = ("--offline=yes", f"--threshold={MOST_EXPOSED}")
    done = analyze("security", *options, f"./{name}", cwd=installed)
    assert done.returncode == 0, done.stdout


@every_service
def test_every_service_starts_and_stops_with_the_target(name: str) -> None:
    assert SERVICES[name].last("PartOf", "Unit") == "gateway-admin.target"
    assert SERVICES[name].last("WantedBy", "Install") == "gateway-admin.target"


@every_service
def test_no_service_runs_as_root(name: str) -> None:
    unit = SERVICES[name]
    assert unit.last("User") not in {"", "root"} or unit.last("DynamicUser") == "yes"


def test_the_challenge_port_has_a_user_of_its_own_and_no_key_and_no_file_of_the_others() -> None:
    assert CHALLENGES.last("DynamicUser") == "yes"
    assert not CHALLENGES.last("User")
    assert not CHALLENGES.last("StateDirectory")
    assert f"-{systemd.DATA}" in CHALLENGES.last("InaccessiblePaths").split()
    # Its password, and nothing else, comes from a file that it could not read itself.
    assert CHALLENGES.credentials() == {"database_password": PASSWORD}
    assert CHALLENGES.variables()["DATABASE_PASSWORD_FILE"] == "%d/database_password"
    for unit in OTHERS.values():
        assert unit.last("User") == "gateway-admin"
        assert not unit.credentials()
        assert not unit.all("EnvironmentFile")


def test_the_challenge_port_alone_may_open_low_ports() -> None:
    assert CHALLENGES.last("AmbientCapabilities") == "CAP_NET_BIND_SERVICE"
    assert CHALLENGES.last("CapabilityBoundingSet") == "CAP_NET_BIND_SERVICE"
    for unit in OTHERS.values():
        assert not unit.all("AmbientCapabilities")
        assert ("Service", "CapabilityBoundingSet", "") in unit.entries


def test_the_challenge_port_may_have_ten_thousand_connections_and_little_else() -> None:
    assert int(CHALLENGES.last("LimitNOFILE")) > 2 * 10_000
    assert CHALLENGES.last("MemoryMax") == "256M"


def test_the_settings_files_name_the_two_roles() -> None:
    challenges, others = (
        (systemd.DIRECTORY / name).read_text() for name in ("challenges.env", "gateway-admin.env")
    )
    assert f"postgres://{challenge_role.NAME}@" in challenges
    assert challenge_role.NAME not in others
    assert "BROKER" not in challenges


def test_the_user_is_one_that_systemd_can_make() -> None:
    program = find_program("systemd-sysusers", package="systemd")
    file = systemd.DIRECTORY / "gateway-admin.sysusers"
    done = subprocess.run([program, "--dry-run", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "gateway-admin" in file.read_text().splitlines()[-1]


def test_the_page_on_installation_names_every_file_and_every_place() -> None:
    page = (CHECKOUT / "docs" / "installation.md").read_text()
    for name in ("gateway-admin.env", "challenges.env", "gateway-admin.sysusers", *SERVICES):
        assert name in page, name
    for place in (systemd.INSTALLED, systemd.SETTINGS, systemd.DATA, PASSWORD):
        assert place in page, place
