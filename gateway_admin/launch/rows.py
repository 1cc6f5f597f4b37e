"""What starting reads and writes in the database. To be imported after django.setup()."""

from __future__ import annotations

from django.db import DatabaseError, connection

from certificates.models import Gateway, Heartbeat
from challenges import ports
from challenges.models import NetworkSettings
from gateway_admin.configuration import Configuration


def has_gateways() -> bool:
    """Whether gateways are stored; False, too, for a database that is not there or not usable."""
    try:
        exists = Gateway._meta.db_table in connection.introspection.table_names()
        return exists and Gateway.objects.exists()
    except DatabaseError:
        return False  # preparing the data directory comes next and says why


def names_of(slug: str) -> tuple[str, ...]:
    """The names of that gateway; none while it does not exist. Raises DatabaseError."""
    gateway = Gateway.objects.filter(slug=slug).first() if slug else None
    return tuple(gateway.names) if gateway else ()


def ensure_network_settings(configuration: Configuration, port: int | None = None) -> int:
    """The challenge port of the stored row, which is made, with ``port`` or a default, if need be.

    Raises DatabaseError.
    """
    if (stored := NetworkSettings.objects.filter(pk=1).first()) is None:
        port = port or ports.default_port(configuration.challenge_host)
        stored = NetworkSettings.objects.create(pk=1, challenge_port=port)
    return stored.challenge_port


def forget_signs_of_life() -> None:
    """Or the console would call the worker of the last run, stopped a moment ago, alive.

    A database server may be shared with workers that run elsewhere: those stay.
    """
    if connection.vendor == "sqlite":
        Heartbeat.objects.all().delete()
