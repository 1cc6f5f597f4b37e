"""What docker-compose.yml says, read without starting anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from challenges.models import NetworkSettings
from gateway_admin import challenge_role
from tests.parts import compose
from tests.parts.product import CHECKOUT

DOCUMENT = compose.load()
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
PRODUCT = {"console", "challenges", "worker", "beat", "migrate"}
every_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_the_file_follows_the_compose_specification() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    command: list[str | Path] = [checker, "--builtin-schema", "vendor.compose-spec", compose.FILE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_services_are_those_of_the_product_and_what_it_stands_on() -> None:
    assert set(SERVICES) == PRODUCT | {"valkey", "postgres"}


def test_all_services_of_the_product_share_one_image_and_its_dockerfile() -> None:
    assert len({SERVICES[name]["image"] for name in PRODUCT}) == 1
    assert {SERVICES[name]["build"]["dockerfile"] for name in PRODUCT} == {"deploy/Dockerfile"}


@every_service
def test_a_service_runs_without_root_without_rights_and_on_a_read_only_system(name: str) -> None:
    service = SERVICES[name]
    assert str(service["user"]).split(":", maxsplit=1)[0] not in {"", "0", "root"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "cap_add" not in service
    assert "privileged" not in service


@every_service
def test_a_service_that_stays_has_a_health_check(name: str) -> None:
    assert ("healthcheck" in SERVICES[name]) != (name == "migrate")


@every_service
def test_images_of_others_are_pinned_to_a_version(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert tag
    assert tag != "latest"
    assert tag[0].isdigit()


@every_service
def test_no_secret_stands_in_the_environment_or_on_a_command_line(name: str) -> None:
    environment = SERVICES[name].get("environment", {})
    for variable, value in environment.items():
        if any(word in variable for word in ("PASSWORD", "SECRET", "KEYS")):
            assert variable.endswith("_FILE")
            assert value.startswith("/run/secrets/")
    for variable in ("DATABASE_URL", "CELERY_BROKER_URL"):
        assert ":" not in environment.get(variable, "").rpartition("@")[0].partition("://")[2]


@every_service
def test_every_secret_named_in_a_variable_is_given_to_the_service(name: str) -> None:
    service = SERVICES[name]
    named = {
        str(value).removeprefix("/run/secrets/")
        for value in service.get("environment", {}).values()
        if str(value).startswith("/run/secrets/")
    }
    assert named <= set(service.get("secrets", []))
    assert set(service.get("secrets", [])) <= set(DOCUMENT["secrets"])


def test_every_secret_is_made_by_the_script_and_guarded(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    script = CHECKOUT / "deploy" / "make-secrets"
    subprocess.run([script, directory], check=True, capture_output=True)
    made = {file.name: file.read_text() for file in directory.iterdir()}
    assert {f"deploy/secrets/{name}" for name in made} == {
        secret["file"] for secret in DOCUMENT["secrets"].values()
    }
    assert directory.stat().st_mode & 0o777 == 0o700
    assert len(set(made.values())) == len(made)
    assert all(len(text) >= 40 for text in made.values())
    subprocess.run([script, directory], check=True, capture_output=True)
    assert {file.name: file.read_text() for file in directory.iterdir()} == made


def test_secrets_are_neither_committed_nor_copied_into_the_image() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", "--quiet", "--no-index", "deploy/secrets/secret_key"],
        cwd=CHECKOUT,
        check=False,
    )
    assert ignored.returncode == 0


def test_the_challenge_service_gets_no_keys_and_no_data() -> None:
    challenges = SERVICES["challenges"]
    assert challenges["secrets"] == ["challenge_database_password"]
    assert "volumes" not in challenges
    names = set(challenges["environment"])
    assert not {name for name in names if "KEY" in name or "BROKER" in name}


def test_the_challenge_service_has_a_user_and_a_database_role_of_its_own() -> None:
    challenges = SERVICES["challenges"]
    others = [SERVICES[name] for name in SERVICES if name != "challenges"]
    assert challenges["user"] not in [service["user"] for service in others]
    url = challenges["environment"]["DATABASE_URL"]
    assert url.startswith(f"postgres://{challenge_role.NAME}@")
    assert url not in [service.get("environment", {}).get("DATABASE_URL") for service in others]
    # Who makes the role has to give it the password that the service signs in with.
    with_its_password = {
        name
        for name, service in SERVICES.items()
        if "challenge_database_password" in service.get("secrets", [])
    }
    assert with_its_password == {"challenges", "migrate"}


def test_the_challenge_service_may_have_ten_thousand_connections_and_little_else() -> None:
    challenges = SERVICES["challenges"]
    assert challenges["ulimits"]["nofile"] > 2 * 10_000
    assert challenges["pids_limit"] <= 64
    assert challenges["mem_limit"] == "256m"


def test_the_published_challenge_port_leads_to_the_default_one() -> None:
    assert SERVICES["challenges"]["ports"] == [f"80:{NetworkSettings.DEFAULT_CHALLENGE_PORT}"]
    # The default is 80 wherever that may be bound.
    for name in PRODUCT:
        assert SERVICES[name]["sysctls"] == {"net.ipv4.ip_unprivileged_port_start": 1024}


def test_the_console_is_published_to_this_machine_alone() -> None:
    assert SERVICES["console"]["ports"] == ["127.0.0.1:8443:8443"]


def test_database_and_broker_are_on_a_network_that_leads_nowhere() -> None:
    assert DOCUMENT["networks"]["inside"]["internal"] is True
    for name in ("postgres", "valkey"):
        assert SERVICES[name]["networks"] == ["inside"]
        assert "ports" not in SERVICES[name]


def test_everything_that_is_mounted_is_declared() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in DOCUMENT["volumes"]


def test_every_variable_of_the_product_is_one_it_reads() -> None:
    sources = "".join(
        (CHECKOUT / "gateway_admin" / name).read_text()
        for name in ("configuration.py", "settings.py")
    )
    for name in PRODUCT:
        for variable in SERVICES[name]["environment"]:
            known = variable.removesuffix("_FILE") if "SECRET" in variable else variable
            known = known.removesuffix("_FILE") if "ENCRYPTION" in known else known
            assert known in sources or variable == "DJANGO_SETTINGS_MODULE", variable


def test_variables_of_the_owner_reach_the_services() -> None:
    given = compose.load({"GATEWAY_ADMIN_HTTPS": "on", "CONSOLE_PORT": "9443"})["services"]
    assert given["console"]["environment"]["GATEWAY_ADMIN_HTTPS"] == "on"
    assert given["console"]["ports"] == ["127.0.0.1:9443:8443"]
