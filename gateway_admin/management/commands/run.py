"""Starts the product in the foreground: `manage.py run` is scripts/run without the installation."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gateway_admin.launch import options

LAUNCHER = str(Path(options.__file__).with_name("__main__.py"))


class Command(BaseCommand):
    """Hands over to gateway_admin.launch, which prepares the directory before Django reads it."""

    help = options.DESCRIPTION
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The same options as scripts/run; manage.py has taken --data-dir already."""
        options.add_arguments(parser, with_data_dir=False)

    def handle(self, *_: Any, **given: Any) -> None:
        """Become the launcher."""
        arguments = ["--host", given["host"], "--port", str(given["port"])]
        if given["demo"]:
            arguments.append("--demo")
        if given["demo_fault"]:
            arguments += ["--demo-fault", given["demo_fault"]]
        if given["tls"]:
            arguments.append("--tls")
        os.execv(sys.executable, (sys.executable, LAUNCHER, *arguments))
