"""Publishes one token and sets the challenge port, for bench/responders.py: `… publishing PORT`.

Run under the challenge port's own settings, on the database that these name.
"""

from __future__ import annotations

import datetime
import sys

import django

django.setup()

from django.core.management import call_command

from challenges import tokens
from challenges.models import NetworkSettings
from tests.challenges.conftest import AUTHORIZATION, TOKEN


def main(port: int) -> None:
    """On a new database."""
    call_command("migrate", verbosity=0)
    NetworkSettings(pk=1, challenge_port=port).save()
    now = datetime.datetime.now(tz=datetime.UTC)
    tokens.publish(TOKEN, AUTHORIZATION, now=now, lifetime=datetime.timedelta(days=1))


if __name__ == "__main__":
    main(int(sys.argv[1]))
