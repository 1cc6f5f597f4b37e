from __future__ import annotations

import dataclasses
import ipaddress
from pathlib import Path

import pytest

from gateway_admin.configuration import (
    LETS_ENCRYPT_PRODUCTION,
    LETS_ENCRYPT_STAGING,
    ConfigurationError,
    databases,
    load,
    read_env_file,
    secret_from,
)


def given(tmp_path: Path, **environ: str) -> dict[str, str]:
    return {"GATEWAY_ADMIN_DATA_DIR": str(tmp_path), **environ}


def refusal(tmp_path: Path, **environ: str) -> str:
    """What is said of it: one line."""
    with pytest.raises(ConfigurationError) as caught:
        databases(load(given(tmp_path, **environ)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_any_setting_everything_is_in_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    configuration = load({})
    assert configuration.data_dir == tmp_path / "data"
    assert databases(configuration)["default"]["NAME"] == str(tmp_path / "data" / "db.sqlite3")  # type: ignore[index]  # a dictionary of Django's
    assert configuration.broker_url == "filesystem://"
    assert configuration.acme_staging_url == LETS_ENCRYPT_STAGING
    assert configuration.acme_production_url == LETS_ENCRYPT_PRODUCTION
    assert configuration.acme_ca_bundle is None
    assert len(configuration.dns_servers) == 3
    assert configuration.log_format == "text"
    assert not configuration.demo
    assert not configuration.https
    assert not (tmp_path / "data").exists()


def test_sqlite_is_durable_and_does_not_lock_itself_out(tmp_path: Path) -> None:
    options = databases(load(given(tmp_path)))["default"]["OPTIONS"]  # type: ignore[index]  # as above
    assert options["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in options["init_command"]
    assert "synchronous=FULL" in options["init_command"]


@pytest.mark.parametrize("name", ["plain", "with space", "a#b?c", "100%41", "ünï", "a&b=c;d"])
def test_a_data_directory_may_be_called_anything(tmp_path: Path, name: str) -> None:
    configuration = load({"GATEWAY_ADMIN_DATA_DIR": str(tmp_path / name)})
    assert databases(configuration)["default"]["NAME"] == str(tmp_path / name / "db.sqlite3")  # type: ignore[index]  # as above


def test_the_environment_wins_over_the_owners_file_and_that_over_the_demos(
    tmp_path: Path,
) -> None:
    (tmp_path / "demo.env").write_text(
        "GATEWAY_ADMIN_DNS_SERVERS=1.1.1.1\n"
        "GATEWAY_ADMIN_LOG_FORMAT=json\n"
        "GATEWAY_ADMIN_DEMO=1\n"
        "GATEWAY_ADMIN_HTTPS=on\n"
    )
    (tmp_path / "gateway-admin.env").write_text(
        "GATEWAY_ADMIN_DNS_SERVERS=2.2.2.2\nGATEWAY_ADMIN_LOG_FORMAT=text\n"
    )
    configuration = load(
        given(tmp_path, GATEWAY_ADMIN_DNS_SERVERS="3.3.3.3", GATEWAY_ADMIN_HTTPS="off")
    )
    assert configuration.dns_servers == ("3.3.3.3",)
    assert configuration.log_format == "text"
    assert configuration.demo
    assert not configuration.https


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    (tmp_path / "gateway-admin.env").write_text("DATABASE_URL=postgres://u@h/n\n")
    assert load(given(tmp_path, DATABASE_URL="")).database_url == "postgres://u@h/n"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("# nothing\n\n   \n", {}),
        ("A=1\nB = two words \n", {"A": "1", "B": "two words"}),
        ("A=b=c#d\r\n", {"A": "b=c#d"}),
        ("A=", {"A": ""}),
        ("A=1\nA=2\n", {"A": "2"}),
    ],
)
def test_an_env_file_holds_names_and_values(
    tmp_path: Path, text: str, values: dict[str, str]
) -> None:
    file = tmp_path / "some.env"
    file.write_text(text)
    assert read_env_file(file) == values


@pytest.mark.parametrize("line", ["no equals", "=value", "  = x"])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "some.env"
    file.write_text(f"A=1\n{line}\n")
    with pytest.raises(ConfigurationError, match=r"some\.env, line 2"):
        read_env_file(file)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_an_env_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "some.env"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"some\.env cannot be read"):
        read_env_file(file)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GATEWAY_ADMIN_ACME_STAGING_URL", "http://ca.example/dir"),
        ("GATEWAY_ADMIN_ACME_PRODUCTION_URL", "ca.example/dir"),
        ("GATEWAY_ADMIN_ACME_PRODUCTION_URL", "https://"),
        ("GATEWAY_ADMIN_ACME_PRODUCTION_URL", "https:///dir"),
        ("GATEWAY_ADMIN_ACME_PRODUCTION_URL", "https://["),
        ("GATEWAY_ADMIN_ACME_CA_BUNDLE", "/no/such/file"),
        ("GATEWAY_ADMIN_ACME_CA_BUNDLE", "/"),
        ("GATEWAY_ADMIN_PUBLIC_NETWORKS", "127.0.0.1/8"),
        ("GATEWAY_ADMIN_PUBLIC_NETWORKS", "here"),
        ("GATEWAY_ADMIN_LOG_FORMAT", "xml"),
        ("CELERY_BROKER_URL", "amqp://host"),
        ("CELERY_BROKER_URL", "redis"),
        ("CELERY_BROKER_URL", "redis://["),
        ("DATABASE_URL", "mysql://u@h/n"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "postgres://u@[/n"),
        ("DATABASE_PASSWORD_FILE", "/no/such/file"),
        ("CELERY_BROKER_PASSWORD_FILE", "/no/such/file"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_its_name(
    tmp_path: Path, variable: str, value: str
) -> None:
    assert variable in refusal(tmp_path, **{variable: value})


def test_lists_may_have_spaces_and_gaps(tmp_path: Path) -> None:
    configuration = load(
        given(
            tmp_path,
            GATEWAY_ADMIN_ALLOWED_HOSTS=" a.example , ,b.example,",
            GATEWAY_ADMIN_PUBLIC_NETWORKS="127.0.0.0/8, fd00::/8",
        )
    )
    assert configuration.allowed_hosts == ("a.example", "b.example")
    assert configuration.public_networks == (
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("fd00::/8"),
    )


def test_passwords_come_from_files_and_may_hold_anything(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss/w:rd#1\n")
    configuration = load(
        given(
            tmp_path,
            DATABASE_URL="postgres://user@host:5432/name",
            DATABASE_PASSWORD_FILE=str(file),
            CELERY_BROKER_URL="redis://host:6379/0",
            CELERY_BROKER_PASSWORD_FILE=str(file),
        )
    )
    database = databases(configuration)["default"]
    assert database["PASSWORD"] == "p@ss/w:rd#1"  # type: ignore[index]  # as above
    assert configuration.broker_url == "redis://:p%40ss%2Fw%3Ard%231@host:6379/0"


def test_no_password_is_in_the_representation(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2")
    configuration = load(
        given(
            tmp_path,
            DATABASE_PASSWORD_FILE=str(file),
            CELERY_BROKER_URL="redis://:hunter2@host/0",
            DATABASE_URL="postgres://user:hunter2@host/name",
        )
    )
    assert "hunter2" not in repr(configuration)


@pytest.mark.parametrize(
    ("environ", "content", "expected"),
    [
        ({"KEY": " from the variable \n"}, "from the file", "from the variable"),
        ({"KEY": "v", "KEY_FILE": "other"}, None, "v"),
        ({"KEY_FILE": "other"}, "from the file", "from the other file"),
        ({"KEY": "", "KEY_FILE": ""}, "from the file\n", "from the file"),
        ({}, None, ""),
    ],
)
def test_a_secret_is_in_the_variable_or_in_a_file(
    tmp_path: Path, environ: dict[str, str], content: str | None, expected: str
) -> None:
    (tmp_path / "other").write_text("from the other file\n")
    if content is not None:
        (tmp_path / "key").write_text(content)
    resolved = {
        name: str(tmp_path / value) if name.endswith("_FILE") and value else value
        for name, value in environ.items()
    }
    assert secret_from(resolved, "KEY", tmp_path / "key") == expected


def test_a_secret_in_a_file_that_cannot_be_read_is_no_empty_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        secret_from({}, "KEY", tmp_path)
    with pytest.raises(ConfigurationError, match="KEY_FILE names"):
        secret_from({"KEY_FILE": str(tmp_path / "missing")}, "KEY", tmp_path / "key")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read: it is not UTF-8 text"):
        secret_from({}, "KEY", tmp_path / "binary")
    with pytest.raises(ConfigurationError, match="KEY_FILE names"):
        secret_from({"KEY_FILE": str(tmp_path / "binary")}, "KEY", tmp_path / "key")


def test_the_configuration_cannot_be_changed(tmp_path: Path) -> None:
    configuration = load(given(tmp_path))
    with pytest.raises(dataclasses.FrozenInstanceError):
        configuration.demo = True  # type: ignore[misc]  # that is the test


def test_no_files_may_be_followed_unless_the_owner_names_directories(tmp_path: Path) -> None:
    assert load(given(tmp_path)).certificate_directories == ()
    configuration = load(
        given(tmp_path, GATEWAY_ADMIN_CERTIFICATE_DIRECTORIES=" /etc/letsencrypt ,/srv/not-yet,")
    )
    assert configuration.certificate_directories == (Path("/etc/letsencrypt"), Path("/srv/not-yet"))


@pytest.mark.parametrize("value", ["certs", "./certs", "~/certs", "/", "/etc/../root", "/a,b"])
def test_only_whole_paths_below_the_root_can_be_allowed(tmp_path: Path, value: str) -> None:
    said = refusal(tmp_path, GATEWAY_ADMIN_CERTIFICATE_DIRECTORIES=value)
    assert "GATEWAY_ADMIN_CERTIFICATE_DIRECTORIES" in said
    assert "/etc/letsencrypt" in said


def test_the_consoles_own_directory_cannot_be_allowed(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "secrets"):
        said = refusal(tmp_path, GATEWAY_ADMIN_CERTIFICATE_DIRECTORIES=str(directory))
        assert str(directory) in said
