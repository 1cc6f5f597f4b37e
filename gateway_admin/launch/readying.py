"""The part of starting that needs Django: database, first rows, setup token, and the demo."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import django
from django.db import connections

from gateway_admin import configuration
from gateway_admin.configuration import Configuration
from gateway_admin.demo import settings_file
from gateway_admin.demo.setting_up import set_up
from gateway_admin.launch import addresses
from gateway_admin.launch.addresses import Address
from gateway_admin.launch.announcer import DemoFacts
from gateway_admin.launch.errors import LaunchError
from gateway_admin.launch.options import Options
from gateway_admin.launch.programs import Program


@dataclass(frozen=True, slots=True)
class Readied:
    """What starting goes on with: programs beside the product's, and what to announce of them."""

    environment: Mapping[str, str]
    programs: tuple[Program, ...] = ()
    demo: DemoFacts | None = None
    tls: bool = False
    # Of the certificate that the console shows, where that is a self-signed one.
    fingerprint: str = ""


def ready(options: Options, address: Address) -> Readied:
    """Make the data directory that the environment names ready to serve.

    Raises LaunchError or ConfigurationError, with nothing changed where the directory belongs to
    a newer version, lacks a key, or holds the other kind of installation (demo or not).
    """
    data_dir = Path(os.environ["GATEWAY_ADMIN_DATA_DIR"])
    was_demo = settings_file.is_demo(data_dir)
    if was_demo and not options.demo:
        raise LaunchError(
            f"{data_dir} holds a demonstration: start it with --demo, or choose another "
            "directory with --data-dir."
        )
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_admin.settings")
    loaded = _configuration(options)
    django.setup()
    # Here, because models exist only after django.setup().
    from gateway_admin import claiming, data_directory  # noqa: PLC0415
    from gateway_admin.launch import rows  # noqa: PLC0415

    if options.demo and not was_demo and rows.has_gateways():
        raise LaunchError(
            f"{data_dir} already holds gateways of its own, so that it cannot become a "
            "demonstration: choose another directory with --data-dir."
        )
    data_directory.prepare(loaded)
    demo = set_up(data_dir, options.fault, avoid={options.port}) if options.demo else None
    challenge_port = rows.ensure_network_settings(loaded, demo.free_port() if demo else None)
    claiming.ensure_setup_token()
    rows.forget_signs_of_life()
    # A gateway's certificate is for the names of that gateway, so they must lead to the console.
    hosts = loaded.allowed_hosts or (
        *addresses.names(address),
        *rows.names_of(loaded.console_gateway),
    )
    connections.close_all()
    return Readied(
        # Gunicorn believes the forwarding headers of these peers and of no other.
        {
            "FORWARDED_ALLOW_IPS": ",".join(loaded.trusted_proxies),
            "GATEWAY_ADMIN_ALLOWED_HOSTS": ",".join(hosts),
        },
        demo.programs(challenge_port) if demo else (),
        demo.facts if demo else None,
        tls=bool(loaded.console_certificate),
        fingerprint=_fingerprint(loaded, hosts, address),
    )


def _configuration(options: Options) -> Configuration:
    """What the owner has configured; --tls is short for a variable that is not set otherwise."""
    loaded = configuration.load()
    if options.tls and not loaded.console_certificate:
        os.environ["GATEWAY_ADMIN_CONSOLE_CERTIFICATE"] = configuration.SELF_SIGNED
        loaded = configuration.load()
    return loaded


def _fingerprint(loaded: Configuration, hosts: Sequence[str], address: Address) -> str:
    """Of the certificate that the console will show, made if need be; empty unless self-signed."""
    if not loaded.console_certificate:
        return ""
    # Here, since a console without HTTPS has no use for what this loads.
    from gateway_admin.launch import console_tls, self_signed  # noqa: PLC0415

    names = self_signed.names(hosts, [address.bare_host])
    served = console_tls.of(loaded, names).current()
    return served.fingerprint if served.is_self_signed else ""
