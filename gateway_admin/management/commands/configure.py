"""Sets what a gateway and the network need; what is not given stays as it is."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone

from certificates import configuring
from certificates.models import CertificateSource, Gateway
from certificates.policy.keys import KeyType
from challenges import ports
from challenges.models import NetworkScenario, NetworkSettings
from gateway_admin.management import documents
from gateway_admin.management.operating import OperatorCommand, one_line


class Command(OperatorCommand):
    """`configure --hostname NAME …`."""

    help = "Set a gateway's names and source and the network's settings."

    def add_arguments(self, parser: CommandParser) -> None:
        """One option for each label of the form."""
        super().add_arguments(parser)
        parser.add_argument("--gateway", metavar="SLUG", default=Gateway.DEFAULT_SLUG)
        parser.add_argument("--hostname", metavar="NAME")
        parser.add_argument("--additional-hostnames", metavar="A,B")
        parser.add_argument("--contact-email", metavar="E")
        parser.add_argument("--network-scenario", choices=NetworkScenario.values)
        parser.add_argument("--challenge-port", metavar="N")
        parser.add_argument("--certificate-source", choices=CertificateSource.values)
        parser.add_argument("--key-type", choices=[key_type.value for key_type in KeyType])
        parser.add_argument(
            "--profile",
            metavar="NAME",
            help="a certificate profile that the CA offers; default for the CA's own choice",
        )
        parser.add_argument(
            "--rehearse",
            choices=["on", "off"],
            help="rehearse the renewal every two weeks (default: on)",
        )
        parser.add_argument(
            "--agree-terms",
            action="store_true",
            default=None,
            help="agree to the terms of service of Let's Encrypt",
        )

    def carry_out(self, options: dict[str, Any]) -> None:
        """Store all of it, or nothing and one line for each value that cannot be used."""
        # The default depends on the machine, so it is settled before the first value is stored.
        NetworkSettings.objects.get_or_create(
            pk=1,
            defaults={"challenge_port": ports.default_port(settings.CONFIGURATION.challenge_host)},
        )
        rehearse = options["rehearse"]
        wishes = configuring.Wishes(
            rehearses=None if rehearse is None else rehearse == "on",
            **{
                field: options[field]
                for field in (
                    "hostname",
                    "additional_hostnames",
                    "contact_email",
                    "network_scenario",
                    "challenge_port",
                    "certificate_source",
                    "key_type",
                    "profile",
                    "agree_terms",
                )
            },
        )
        try:
            configured = configuring.configure(options["gateway"], wishes, now=timezone.now())
        except configuring.ConfigurationRejected as error:
            lines = (
                f"--{field.replace('_', '-')}: {one_line(problem)}"
                for field, problem in error.errors.items()
            )
            self.stderr.write("\n".join(lines))
            sys.exit(1)
        row = configured.gateway
        self.answer(
            options,
            {
                "gateway": documents.gateway(row) if row else None,
                "network": {
                    "scenario": configured.network.scenario,
                    "challenge_port": configured.network.challenge_port,
                },
                "changed": list(configured.changed),
            },
            f"Stored. {'New gateway. ' if configured.is_new else ''}"
            f"Changed: {', '.join(configured.changed) or 'nothing'}.",
        )
