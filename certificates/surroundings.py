"""What a preflight check of some names looks at, and what it finds."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.utils import timezone

from certificates import clock
from certificates.policy.issuance import Environment
from challenges import preflight
from challenges.models import NetworkSettings
from challenges.problems import Problem


def findings(
    names: Iterable[str], environments: Iterable[Environment] = Environment
) -> list[Problem]:
    """What the preflight of these names finds; only these environments of the CA are asked.

    None of them while the clock cannot be believed, which is then the first finding. Must not be
    called inside a transaction.
    """
    wrong = clock.problem(timezone.now())
    if wrong is None:
        return preflight.run(of(names, environments))
    return [wrong, *preflight.run(of(names, ()))]


def of(
    names: Iterable[str], environments: Iterable[Environment] = Environment
) -> preflight.Surroundings:
    """The surroundings for these names at this moment, with these environments of the CA."""
    configuration, network = settings.CONFIGURATION, NetworkSettings.load()
    directory_urls = {
        Environment.STAGING: configuration.acme_staging_url,
        Environment.PRODUCTION: configuration.acme_production_url,
    }
    return preflight.Surroundings(
        hostnames=tuple(names),
        scenario=network.scenario,
        challenge_port=network.challenge_port,
        public_port=configuration.public_port,
        dns_servers=configuration.dns_servers,
        public_networks=configuration.public_networks,
        directory_urls=tuple(directory_urls[environment] for environment in environments),
        ca_bundle=configuration.acme_ca_bundle,
        now=timezone.now(),
        built_at=settings.BUILT_AT,
    )
