#!/usr/bin/env python
"""The operator's command line: `manage.py COMMAND [--data-dir DIR]`."""

from __future__ import annotations

import os
import sys
from collections.abc import Container


def take_data_dir(arguments: list[str]) -> list[str]:
    """Move ``--data-dir`` into the environment, since the settings read it before any command."""
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--data-dir":
            directory = next(remaining, "")
        elif argument.startswith("--data-dir="):
            directory = argument.partition("=")[2]
        else:
            rest.append(argument)
            continue
        if not directory or directory.startswith("--"):
            sys.stderr.write("--data-dir needs a directory.\n")
            raise SystemExit(2)
        os.environ["GATEWAY_ADMIN_DATA_DIR"] = directory
    return rest


def is_known(command: str, commands: Container[str]) -> bool:
    """Whether Django will understand it; its own answer to a mistake is exit status 1."""
    return command in commands or command == "help" or command.startswith("-")


def main() -> None:
    """Run one management command; an expected failure is one line and exit status 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_admin.settings")
    arguments = take_data_dir(sys.argv)
    # Here, because importing Django's management reads the environment set just above.
    import django  # noqa: PLC0415
    from django.core.management import (  # noqa: PLC0415
        execute_from_command_line,
        get_commands,
    )

    from gateway_admin.configuration import ConfigurationError  # noqa: PLC0415

    try:
        # Only then does Django know the commands of the applications.
        django.setup()
        if len(arguments) > 1 and not is_known(arguments[1], get_commands()):
            sys.stderr.write(f"There is no command {arguments[1]}; see: manage.py help\n")
            raise SystemExit(2)
        execute_from_command_line(arguments)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
