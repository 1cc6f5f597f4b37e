"""Makes a data directory ready to work in, or says in one line why it is not.

Whatever is wrong is found before anything is changed.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from certificates import disk, sealing
from challenges.problems import ProblemError
from gateway_admin.celery import prepare_broker
from gateway_admin.configuration import Configuration, ConfigurationError, secret_from
from gateway_admin.secret import Secret


def prepare(configuration: Configuration) -> None:
    """Directories, secrets and tables; everything is left as it is where it is already right.

    Raises ConfigurationError when the directory cannot be written, a key file is missing, or the
    database cannot be reached or is newer than this version.
    """
    os.umask(0o077)
    _check_writable(configuration.data_dir)
    executor = _executor(configuration)
    has_tables = bool(executor.loader.applied_migrations)
    _make_secret(
        "GATEWAY_ADMIN_SECRET_KEY",
        configuration.secret_key_file,
        secrets.token_urlsafe(64),
        may_make=not has_tables,
    )
    _make_secret(
        "GATEWAY_ADMIN_ENCRYPTION_KEYS",
        configuration.encryption_keys_file,
        sealing.new_key(),
        may_make=not has_tables,
    )
    _check_encryption_keys()
    prepare_broker()
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", verbosity=0, interactive=False)


def write_secret(file: Path, text: str) -> None:
    """Write a file that only its owner may read, never half; raises OSError."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    disk.replace_file(file, f"{text}\n".encode())


def _check_writable(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"The data directory {directory} cannot be written: {error.strerror}. "
            "Give this user the right to write there or choose another with --data-dir."
        ) from error


def _executor(configuration: Configuration) -> MigrationExecutor:
    try:
        executor = MigrationExecutor(connection)
    except (DatabaseError, sqlite3.Error) as error:
        raise ConfigurationError(
            f"The database cannot be used: {str(error).splitlines()[0]}"
        ) from error
    known = executor.loader.disk_migrations or {}
    newer = sorted(
        f"{app}.{name}"
        for app, name in executor.loader.applied_migrations
        if (app, name) not in known
    )
    if newer:
        raise ConfigurationError(
            f"The database in {configuration.data_dir} was written by a newer version "
            f"({newer[-1]} is unknown here); start that version, or restore an older backup."
        )
    return executor


def _make_secret(variable: str, file: Path, value: str, *, may_make: bool) -> None:
    if secret_from(os.environ, variable, file):
        return
    given = Secret.of(os.environ, variable, file)
    if not given.is_ours:
        raise ConfigurationError(f"{given.variable} names {given.file}, which is empty.")
    if not may_make:
        what = "is empty" if file.exists() else "is missing"
        raise ConfigurationError(
            f"The key file {file} {what}, but the database was written with it; "
            f"restore it from a backup or set {variable}."
        )
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with disk.exclusively(file.parent):
        # Whoever was first has perhaps used it already.
        if not (made := secret_from(os.environ, variable, file)):
            write_secret(file, value)
    if variable == "GATEWAY_ADMIN_SECRET_KEY":
        settings.SECRET_KEY = made or value


def _check_encryption_keys() -> None:
    """Now, and not when the first key is to be stored. Raises ConfigurationError."""
    try:
        sealing.keyring()
    except ProblemError as error:
        problem = error.problem
        raise ConfigurationError(" ".join([problem.explanation, *problem.remedy])) from error
