"""The challenge port's own role in PostgreSQL: what it needs of the database, and nothing else.

Whoever takes over the one process that strangers speak to shall find no row worth having and be
able to change none that matters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, LiteralString

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Model
from psycopg import Connection, sql

from challenges.models import ChallengeListener, ChallengeToken, NetworkSettings, ValidationRequest

NAME = "gateway_admin_challenges"
# One process needs two; the console and the worker need the rest of what the server allows.
MOST_CONNECTIONS = 20
# Rows of ours get their numbers from identity columns, whose sequences need no right of their own.
RIGHTS: Mapping[type[Model], tuple[str, ...]] = MappingProxyType(
    {
        ChallengeToken: ("SELECT",),
        NetworkSettings: ("SELECT",),
        ChallengeListener: ("SELECT", "INSERT", "UPDATE"),
        ValidationRequest: ("SELECT", "INSERT", "DELETE"),
    }
)
_EXCESS = """
SELECT class.relname, rights.name
FROM pg_catalog.pg_class AS class
CROSS JOIN unnest(
    ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES', 'DELETE', 'TRUNCATE', 'TRIGGER']
  ) WITH ORDINALITY AS rights (name, number)
WHERE class.relnamespace = current_schema()::regnamespace
  AND class.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND (has_table_privilege(%(role)s, class.oid, rights.name)
       OR (rights.number <= 4 AND has_any_column_privilege(%(role)s, class.oid, rights.name)))
ORDER BY class.relname, rights.number
"""
# Attributes that no table's rights show, and what a role without INHERIT becomes by SET ROLE.
_POWERS = """
SELECT power FROM pg_catalog.pg_roles, LATERAL (VALUES
    (rolsuper, 'do everything as a superuser'),
    (rolcreaterole, 'make other roles'),
    (rolcreatedb, 'make databases'),
    (rolreplication, 'copy the whole server by replication'),
    (rolbypassrls, 'read past row-level security'),
    (EXISTS (SELECT FROM pg_catalog.pg_auth_members WHERE member = pg_roles.oid),
     'act as another role that it is a member of'),
    (EXISTS (SELECT FROM pg_catalog.pg_shdepend WHERE deptype = 'o' AND refobjid = pg_roles.oid
             AND refclassid = 'pg_catalog.pg_authid'::regclass),
     'change what it owns')
  ) AS powers (has, power)
WHERE rolname = %(role)s AND has
"""


class CannotRestrict(Exception):
    """The role cannot be made, or can do more than it may; the text is one line for a person."""


@dataclasses.dataclass(frozen=True, slots=True)
class Role:
    """What the command did."""

    name: str
    is_new: bool


@transaction.atomic
def ensure(name: str, password: str) -> Role:
    """Make the role if there is none, and give it exactly its rights, whatever it had.

    Without a password an existing role keeps its own. Raises CannotRestrict, having changed
    nothing, and DatabaseError when this connection's role lacks the right to make others.
    """
    if connection.vendor != "postgresql":
        raise CannotRestrict(
            "Only PostgreSQL has roles: a SQLite database is one file, and whoever may read the "
            "tokens in it may read all of it."
        )
    with connection.cursor() as cursor:
        if name == _value(cursor, "SELECT current_user"):
            raise CannotRestrict(
                f"{name} is the role that this command itself uses: the challenge port needs "
                "another, since it must not read what the console stores."
            )
        is_new = not _value(cursor, "SELECT count(*) FROM pg_roles WHERE rolname = %s", name)
        if is_new and not password:
            raise CannotRestrict(
                f"There is no role {name} yet: give the password that it is to have with "
                "--password-file."
            )
        _make(cursor, name, password, is_new=is_new)
        _restrict(cursor, name)
        _check(cursor, name)
    return Role(name, is_new)


def _make(cursor: CursorWrapper, name: str, password: str, *, is_new: bool) -> None:
    role = sql.Identifier(name)
    if is_new:
        # Neither superuser nor a maker of roles or databases: that is how PostgreSQL makes them.
        statement = sql.SQL("CREATE ROLE {} LOGIN NOINHERIT CONNECTION LIMIT {}")
        cursor.execute(statement.format(role, sql.Literal(MOST_CONNECTIONS)))
    if password:
        # What is sent cannot be turned back into the password, should the server log it.
        server: Connection[Any] = connection.connection
        verifier = server.pgconn.encrypt_password(
            password.encode(), name.encode(), b"scram-sha-256"
        )
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
        cursor.execute(statement.format(role, sql.Literal(verifier.decode())))


def _restrict(cursor: CursorWrapper, name: str) -> None:
    names = {
        "role": sql.Identifier(name),
        "database": sql.Identifier(str(_value(cursor, "SELECT current_database()"))),
        "schema": sql.Identifier(str(_value(cursor, "SELECT current_schema()"))),
    }
    for statement in (
        *_open_to_everybody(cursor),
        "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}",
        "REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {role}",
        "REVOKE ALL ON SCHEMA {schema} FROM {role}",
        "GRANT CONNECT ON DATABASE {database} TO {role}",
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
    ):
        cursor.execute(sql.SQL(statement).format(**names))
    for model, rights in RIGHTS.items():
        table = sql.Identifier(model._meta.db_table)
        grant = sql.SQL("GRANT {rights} ON TABLE {table} TO {role}")
        allowed = sql.SQL(", ").join(map(sql.SQL, rights))
        cursor.execute(grant.format(rights=allowed, table=table, **names))


def _open_to_everybody(cursor: CursorWrapper) -> Iterator[LiteralString]:
    """What takes back the rights that every role has in a database as it is made."""
    if _value(cursor, "SELECT has_database_privilege('public', current_database(), 'TEMPORARY')"):
        yield "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"
    # Before PostgreSQL 15.
    if _value(cursor, "SELECT has_schema_privilege('public', current_schema(), 'CREATE')"):
        yield "REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"


def _check(cursor: CursorWrapper, name: str) -> None:
    """A superuser, a member of another role or an owner of tables can do more than is granted."""
    allowed = {(model._meta.db_table, right) for model in RIGHTS for right in RIGHTS[model]}
    cursor.execute(_POWERS, {"role": name})
    powers = [power for (power,) in cursor.fetchall()]
    cursor.execute(_EXCESS, {"role": name})
    powers += [
        f"use {right} on {table}"
        for table, right in cursor.fetchall()
        if (table, right) not in allowed
    ]
    if powers:
        raise CannotRestrict(
            f"The role {name} would have rights that the challenge port must not have: it could "
            f"{powers[0]}. Choose a role that is no superuser, owns nothing, is in no other role "
            "and has no attribute such as CREATEROLE or REPLICATION."
        )


def _value(cursor: CursorWrapper, query: str, *parameters: str) -> object:
    cursor.execute(query, parameters)
    row = cursor.fetchone()
    return row[0] if row else None
