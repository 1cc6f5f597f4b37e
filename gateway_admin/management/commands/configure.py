"""Sets what a gateway and the network need; what is not given stays as it is."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone

from certificates import configuring, deploying, queries, tasks
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
            "--keep-key",
            action=argparse.BooleanOptionalAction,
            help="keep the same private key at renewal, for DANE (default: a new one each time)",
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
            keeps_key=options["keep_key"],
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
        self._report(options, configured)

    def _report(self, options: dict[str, Any], configured: configuring.Configured) -> None:
        row = configured.gateway
        returned = configured.returned or deploying.Returned()
        text = f"Stored. {'New gateway. ' if configured.is_new else ''}"
        text += f"Changed: {', '.join(configured.changed) or 'nothing'}."
        if row is not None and configured.returned is not None:
            text += f"\n{configuring.what_follows(row, returned)}"
        if returned.issuance is not None:
            tasks.enqueue_advance(returned.issuance.pk)
        self.answer(
            options,
            {
                "gateway": documents.gateway(queries.summaries([row], timezone.now())[0])
                if row
                else None,
                "network": {
                    "scenario": configured.network.scenario,
                    "challenge_port": configured.network.challenge_port,
                },
                "changed": list(configured.changed),
                "issuance": documents.issuance(returned.issuance) if returned.issuance else None,
                "held_back": returned.held_back.to_json() if returned.held_back else None,
            },
            text,
        )
        if returned.held_back is not None:
            self.stderr.write(one_line(returned.held_back))
