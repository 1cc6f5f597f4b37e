"""The challenge port's own role in a real PostgreSQL: enough to serve, and nothing else."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import errors, sql

from gateway_admin import challenge_role
from tests.challenges.conftest import AUTHORIZATION, TOKEN, environment, get
from tests.parts.postgresql import PostgreSQL
from tests.parts.processes import Process, free_port, wait_until
from tests.parts.product import CHECKOUT, Product

pytestmark = pytest.mark.slow
PASSWORD = 'of the challenge port: it\'s \\ not "secret"'
PUBLISH = (
    "INSERT INTO challenges_challengetoken (token, key_authorization, created_at, expires_at) "
    "VALUES (%s, %s, now(), now() + interval '1 hour')"
)


@dataclass(frozen=True)
class Restricted:
    """A product's database whose challenge port has a role of its own."""

    product: Product
    owner_url: str
    role: str
    password_file: Path

    @property
    def url(self) -> str:
        """The address for the role, without its password."""
        parts = urlsplit(self.owner_url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{quote(self.role)}@{host}"))

    def connect(self) -> psycopg.Connection:
        """As the role."""
        password = self.password_file.read_text().strip()
        return psycopg.connect(self.url, password=password, autocommit=True)

    def as_owner(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """What the console, the worker or the machine's owner do."""
        with closing(psycopg.connect(self.owner_url, autocommit=True)) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def restricted(
    postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Restricted]:
    """Made by the command, on an empty database."""
    directory = tmp_path_factory.mktemp("restricted")
    url = postgresql.create_database("restricted")
    password_file = directory / "password"
    password_file.write_text(f"{PASSWORD}\n")
    product = Product(directory / "data", {"DATABASE_URL": url})
    # Roles belong to the whole server, which other tests use as well, and these tests once more
    # when some of them are carried out later.
    role = f"challenges of {os.getpid()} {directory.name}"
    made = product.json(
        "create_challenge_role", "--role", role, "--password-file", str(password_file)
    )
    assert made == {"role": role, "created": True}
    yield Restricted(product, url, role, password_file)
    product.stop()


@pytest.fixture
def process(restricted: Restricted, tmp_path: Path) -> Iterator[Process]:
    """The challenge process under the role, with TOKEN published."""
    port = free_port()
    restricted.product.manage("configure", "--challenge-port", str(port))
    restricted.as_owner("DELETE FROM challenges_challengetoken")
    restricted.as_owner(PUBLISH, TOKEN, AUTHORIZATION)
    environ = environment(
        tmp_path,
        DATABASE_URL=restricted.url,
        DATABASE_PASSWORD_FILE=str(restricted.password_file),
    )
    started = Process(
        [sys.executable, "-m", "challenges"], log=tmp_path / "log", env=environ, cwd=CHECKOUT
    )
    try:
        started.wait_until(
            lambda: (port,) in restricted.as_owner("SELECT port FROM challenges_challengelistener"),
            "The process reports itself",
        )
        yield started
    finally:
        started.stop()


def test_the_challenge_process_serves_and_reports_and_notes_requests_under_the_role(
    restricted: Restricted, process: Process
) -> None:
    (port,) = restricted.as_owner("SELECT port FROM challenges_challengelistener")[0]
    assert isinstance(port, int)
    unknown = f"/.well-known/acme-challenge/{'u' * 43}"

    assert get(port).endswith(AUTHORIZATION.encode())
    assert b" 404 " in get(port, unknown)[:20]

    wait_until(
        lambda: (
            set(
                restricted.as_owner(
                    "SELECT token, is_known FROM challenges_validationrequest GROUP BY 1, 2"
                )
            )
            == {(TOKEN, True), ("u" * 43, False)}
        ),
        "both requests are noted",
    )
    restricted.as_owner("DELETE FROM challenges_challengetoken")
    assert b" 404 " in get(port)[:20], "a token that was withdrawn"
    assert "permission denied" not in process.output()
    assert PASSWORD not in process.output()


@pytest.mark.usefixtures("process")
def test_the_changed_port_is_followed_under_the_role(restricted: Restricted) -> None:
    port = free_port()
    restricted.product.manage("configure", "--challenge-port", str(port))
    wait_until(
        lambda: (port,) in restricted.as_owner("SELECT port FROM challenges_challengelistener"),
        "the report",
    )
    assert get(port).endswith(AUTHORIZATION.encode())


FORBIDDEN = {
    "read a certificate": "SELECT * FROM certificates_certificate",
    "read a password hash": "SELECT password FROM gateway_admin_user",
    "read a session": "SELECT * FROM django_session",
    "publish a token": "INSERT INTO challenges_challengetoken "
    "(token, key_authorization, created_at, expires_at) VALUES ('t', 'k', now(), now())",
    "change a token": "UPDATE challenges_challengetoken SET key_authorization = 'x'",
    "withdraw a token": "DELETE FROM challenges_challengetoken",
    "change the port": "UPDATE challenges_networksettings SET challenge_port = 1",
    "change what was noted": "UPDATE challenges_validationrequest SET address = '192.0.2.1'",
    "remove a listener": "DELETE FROM challenges_challengelistener",
    "empty a table": "TRUNCATE challenges_validationrequest",
    "make a table": "CREATE TABLE mine (id int)",
    "make a temporary table": "CREATE TEMPORARY TABLE mine (id int)",
    "make a role": "CREATE ROLE other_challenges",
    "become another": "SET ROLE gateway_admin",
    "read a file of the server": "SELECT pg_read_file('PG_VERSION')",
    "run a program": "COPY (SELECT 1) TO PROGRAM 'true'",
}


@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_the_role_may_not(restricted: Restricted, statement: str) -> None:
    with closing(restricted.connect()) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_of_all_tables_the_role_can_read_four(restricted: Restricted) -> None:
    tables = restricted.as_owner(
        "SELECT relname FROM pg_class WHERE relkind = 'r' "
        "AND relnamespace = current_schema()::regnamespace"
    )
    readable = set()
    with closing(restricted.connect()) as connection:
        for (table,) in tables:
            try:
                connection.execute(
                    sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(str(table)))
                )
            except errors.InsufficientPrivilege:
                continue
            readable.add(table)
    assert len(tables) > 20
    assert readable == {model._meta.db_table for model in challenge_role.RIGHTS}


def test_no_password_of_the_role_is_stored_or_sent_as_text(restricted: Restricted) -> None:
    ((stored,),) = restricted.as_owner(
        "SELECT rolpassword FROM pg_authid WHERE rolname = %s", restricted.role
    )
    assert str(stored).startswith("SCRAM-SHA-256$")


def test_repeating_it_takes_away_what_was_granted_since(restricted: Restricted) -> None:
    role = sql.Identifier(restricted.role).as_string()
    restricted.as_owner(f"GRANT SELECT ON certificates_certificate TO {role}")
    restricted.as_owner(f"GRANT UPDATE (challenge_port) ON challenges_networksettings TO {role}")

    again = restricted.product.json("create_challenge_role", "--role", restricted.role)

    assert again == {"role": restricted.role, "created": False}
    with closing(restricted.connect()) as connection:  # whose password is the one it had
        for statement in (FORBIDDEN["read a certificate"], FORBIDDEN["change the port"]):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_the_password_can_be_changed(restricted: Restricted) -> None:
    restricted.password_file.write_text("another one")
    restricted.product.manage(
        "create_challenge_role",
        *("--role", restricted.role, "--password-file", restricted.password_file),
    )
    restricted.connect().close()


def test_a_role_that_can_do_more_is_refused_and_nothing_is_changed(restricted: Restricted) -> None:
    role = sql.Identifier(restricted.role).as_string()
    restricted.as_owner(f"ALTER ROLE {role} SUPERUSER")
    try:
        done = restricted.product.run("create_challenge_role", "--role", restricted.role)
    finally:
        restricted.as_owner(f"ALTER ROLE {role} NOSUPERUSER")
    assert done.returncode == 1
    assert "is no superuser, owns nothing" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("grant", "revoke", "power"),
    [
        ("ALTER ROLE {} CREATEROLE", "ALTER ROLE {} NOCREATEROLE", "make other roles"),
        ("ALTER ROLE {} CREATEDB", "ALTER ROLE {} NOCREATEDB", "make databases"),
        ("ALTER ROLE {} REPLICATION", "ALTER ROLE {} NOREPLICATION", "by replication"),
        ("ALTER ROLE {} BYPASSRLS", "ALTER ROLE {} NOBYPASSRLS", "row-level security"),
        # By SET ROLE, although it inherits nothing.
        ("GRANT gateway_admin TO {}", "REVOKE gateway_admin FROM {}", "act as another role"),
        ("GRANT pg_read_all_data TO {}", "REVOKE pg_read_all_data FROM {}", "act as another"),
        ("CREATE SCHEMA its AUTHORIZATION {}", "DROP SCHEMA its", "what it owns"),
    ],
)
def test_a_role_with_powers_that_no_table_shows_is_refused(
    restricted: Restricted, grant: str, revoke: str, power: str
) -> None:
    role = sql.Identifier(restricted.role).as_string()
    restricted.as_owner(grant.format(role))
    try:
        done = restricted.product.run("create_challenge_role", "--role", restricted.role)
    finally:
        restricted.as_owner(revoke.format(role))
    assert done.returncode == 1
    assert power in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_role_that_the_console_uses_is_refused(restricted: Restricted) -> None:
    done = restricted.product.run("create_challenge_role", "--role", "gateway_admin")
    assert done.returncode == 1
    assert "gateway_admin is the role that this command itself uses" in done.stderr


def test_a_new_role_needs_a_password(restricted: Restricted, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for arguments, sentence in (((), "--password-file"), (("--password-file", empty), "is empty")):
        done = restricted.product.run("create_challenge_role", "--role", "newcomer", *arguments)
        assert done.returncode == 1
        assert sentence in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_database_without_roles_is_said_to_be_one_file(tmp_path: Path) -> None:
    with Product(tmp_path / "data") as product:
        done = product.run("create_challenge_role", "--json")
    assert done.returncode == 1
    assert "Only PostgreSQL has roles" in done.stderr
    assert not json.loads(done.stdout or "null")
