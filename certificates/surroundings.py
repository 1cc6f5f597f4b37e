"""What a preflight check of some names looks at, and what it comes to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from certificates import clock
from certificates.authority import proxying
from certificates.models import Account, Directory
from certificates.policy.issuance import Environment
from challenges import preflight
from challenges.models import NetworkSettings
from challenges.preflight.report import Report

# Step, number of steps, and what is being looked at, in words.
Progress = Callable[[int, int, str], None]
_LETS_ENCRYPT = ".letsencrypt.org"


def report(
    names: Iterable[str],
    environments: Iterable[Environment] = Environment,
    *,
    progress: Progress | None = None,
    seconds: float = preflight.SECONDS,
) -> Report:
    """What the preflight of these names comes to; only these environments of the CA are asked.

    None of them while the clock cannot be believed, which is then the first finding. Takes at
    most ``seconds``. Must not be called inside a transaction.
    """
    wrong = clock.problem(timezone.now())
    if wrong is None:
        return preflight.run(of(names, environments), progress=progress, seconds=seconds)
    around = of(names, ())
    return Report((wrong,)) + preflight.run(around, progress=progress, seconds=seconds)


def of(
    names: Iterable[str], environments: Iterable[Environment] = Environment
) -> preflight.Surroundings:
    """The surroundings for these names at this moment, with these environments of the CA.

    Three queries, and the accounts and CAA identities of both environments, since a record that
    forbids one of them is worth knowing whichever is asked.
    """
    configuration, network = settings.CONFIGURATION, NetworkSettings.load()
    directory_urls = {
        Environment.STAGING: configuration.acme_staging_url,
        Environment.PRODUCTION: configuration.acme_production_url,
    }
    asked = tuple(directory_urls[environment] for environment in environments)
    around = preflight.Surroundings(
        hostnames=tuple(names),
        scenario=network.scenario,
        challenge_port=network.challenge_port,
        public_port=configuration.public_port,
        dns_servers=configuration.dns_servers,
        public_networks=configuration.public_networks,
        directory_urls=asked,
        ca_bundle=configuration.acme_ca_bundle,
        now=timezone.now(),
        proxies={url: proxy for url in asked if (proxy := proxying.proxy_of(url))},
        account_uris=_account_uris(directory_urls.values()),
        asks_only_lets_encrypt=_are_lets_encrypts(directory_urls.values()),
    )
    identities = _caa_identities(directory_urls.values())
    # A CA that has not said how it is called is taken for Let's Encrypt.
    return dataclasses.replace(around, caa_identities=identities) if identities else around


def _are_lets_encrypts(directory_urls: Iterable[str]) -> bool:
    """Whether no other CA is configured, whichever is asked this time."""
    hosts = [urlsplit(url).hostname or "" for url in directory_urls]
    return all(host.endswith(_LETS_ENCRYPT) for host in hosts)


def _account_uris(directory_urls: Iterable[str]) -> tuple[str, ...]:
    """The registered accounts at these CAs, as an accounturi names them (RFC 8657 §3)."""
    accounts = Account.objects.filter(directory_url__in=list(directory_urls)).exclude(url="")
    return tuple(accounts.order_by("pk").values_list("url", flat=True))


def _caa_identities(directory_urls: Iterable[str]) -> tuple[str, ...]:
    rows = Directory.objects.filter(url__in=list(directory_urls)).order_by("pk")
    identities = (
        str(name) for known in rows.values_list("caa_identities", flat=True) for name in known
    )
    return tuple(dict.fromkeys(identities))
