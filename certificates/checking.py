"""Decides whether what somebody typed can be configured: the one judge of forms and commands.

Nothing is stored here. Every refusal is a Problem at the field it belongs to.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Callable, Mapping

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext as _

from certificates import directories, terms
from certificates.models import CertificateSource, Gateway
from certificates.policy import profiles
from certificates.policy.issuance import Environment
from certificates.policy.keys import KeyType
from challenges import hostnames, ports
from challenges.models import ChallengeListener, NetworkScenario, NetworkSettings
from challenges.problems import Problem, ProblemError, Severity

# `add` is a page of its own; the rest of a short name becomes a directory's name under live/.
RESERVED_SLUGS = frozenset({"add"})
LONGEST_SLUG = 63
LONGEST_PROFILE = 64
# What to type for the CA's own choice where nothing at all means "as it is".
DEFAULT_PROFILE = "default"
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_PORT = re.compile(r"[0-9]{1,9}", re.ASCII)
_is_email = EmailValidator(allowlist=[])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What somebody typed; None leaves a value as it is.

    ``profile`` is a name that the CA's directory lists; empty or ``default`` for the CA's choice.

    ``additional_hostnames`` is one text with the names separated by commas or white space.
    """

    hostname: str | None = None
    additional_hostnames: str | None = None
    contact_email: str | None = None
    network_scenario: str | None = None
    challenge_port: str | None = None
    certificate_source: str | None = None
    key_type: str | None = None
    profile: str | None = None
    keeps_key: bool | None = None
    rehearses: bool | None = None
    agree_terms: bool | None = None

    @property
    def concern_a_gateway(self) -> bool:
        """Whether anything but the network's settings is wished for."""
        return any(
            value is not None
            for value in (
                self.hostname,
                self.additional_hostnames,
                self.contact_email,
                self.certificate_source,
                self.key_type,
                self.profile,
                self.keeps_key,
                self.rehearses,
                self.agree_terms,
            )
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Accepted:
    """Checked wishes: values to store by the names of the models' fields."""

    slug: str
    concern_a_gateway: bool
    gateway_values: Mapping[str, object]
    network_values: Mapping[str, object]


class ConfigurationRejected(Exception):
    """Something that was typed cannot be used; ``errors`` holds the Problems by field.

    The fields are those of :class:`Wishes`, and ``slug``.
    """

    def __init__(self, errors: Mapping[str, Problem]) -> None:
        super().__init__(" ".join(problem.explanation for problem in errors.values()))
        self.errors = dict(errors)


def check(slug: str, wishes: Wishes, *, now: datetime.datetime) -> Accepted:
    """The wishes as values to store; raises ConfigurationRejected with all refusals at once."""
    stored = Gateway.objects.filter(slug=slug).first()
    gateway_checks, network_checks = _Checks(), _Checks()
    if wishes.concern_a_gateway:
        if stored is None:
            gateway_checks.run("slug", slug, acceptable_slug)
        _check_gateway(gateway_checks, wishes, stored or Gateway(slug=slug), now)
    _check_network(network_checks, wishes)
    if errors := gateway_checks.errors | network_checks.errors:
        raise ConfigurationRejected(errors)
    return Accepted(slug, wishes.concern_a_gateway, gateway_checks.values, network_checks.values)


class _Checks:
    """Collects values and refusals, so that every field is answered and not only the first."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.errors: dict[str, Problem] = {}

    def run(
        self, field: str, typed: str | None, accept: Callable[[str], object], store_as: str = ""
    ) -> None:
        """Keep what ``accept`` makes of the text, or the Problem that it raises."""
        if typed is None:
            return
        try:
            self.values[store_as or field] = accept(typed.strip())
        except ProblemError as error:
            self.errors[field] = error.problem


def _check_gateway(
    checks: _Checks, wishes: Wishes, gateway: Gateway, now: datetime.datetime
) -> None:
    # A gateway without a name would be no gateway: a new one is asked for it in any case.
    hostname = wishes.hostname if gateway.hostname else wishes.hostname or ""
    checks.run("hostname", hostname, hostnames.normalise)
    first = str(checks.values.get("hostname", gateway.hostname))
    additional = wishes.additional_hostnames
    if additional is None and "hostname" in checks.values:
        additional = ",".join(gateway.additional_hostnames)
    checks.run(
        "additional_hostnames",
        additional,
        lambda typed: list(hostnames.split_additional(typed, hostname=first)),
    )
    checks.run("contact_email", wishes.contact_email, acceptable_email)
    checks.run("certificate_source", wishes.certificate_source, _one_of(CertificateSource.values))
    checks.run("key_type", wishes.key_type, _one_of([key_type.value for key_type in KeyType]))
    checks.run("profile", wishes.profile, lambda typed: acceptable_profile(typed, gateway))
    _check_count_of_names(checks, wishes, gateway)
    if wishes.keeps_key is not None:
        checks.values["keeps_key"] = wishes.keeps_key
    if wishes.rehearses is not None:
        checks.values["rehearses"] = wishes.rehearses
    source = checks.values.get("certificate_source", gateway.certificate_source)
    if wishes.agree_terms:
        checks.values.update(_agreement(gateway, now))
    elif wishes.agree_terms is not None and source == CertificateSource.LETS_ENCRYPT:
        checks.errors["agree_terms"] = _terms_not_agreed()


def _check_count_of_names(checks: _Checks, wishes: Wishes, gateway: Gateway) -> None:
    """A profile may hold fewer names than there are; said at what somebody is just changing."""
    additional = checks.values.get("additional_hostnames", gateway.additional_hostnames)
    count = 1 + len(additional) if isinstance(additional, list) else 1
    profile = str(checks.values.get("profile", gateway.profile))
    if problem := profiles.why_not(profile, count):
        field = "additional_hostnames" if wishes.profile is None else "profile"
        checks.errors.setdefault(field, problem)


def _check_network(checks: _Checks, wishes: Wishes) -> None:
    checks.run(
        "network_scenario", wishes.network_scenario, _one_of(NetworkScenario.values), "scenario"
    )
    checks.run("challenge_port", wishes.challenge_port, acceptable_port)


def acceptable_slug(typed: str) -> str:
    """A short name for URLs and directories, or ProblemError."""
    if len(typed) > LONGEST_SLUG or not _SLUG.fullmatch(typed) or typed in RESERVED_SLUGS:
        raise _refusal(
            "slug-unusable",
            _("“%(typed)s” cannot be a short name.") % {"typed": typed},
            _(
                "Use lower-case letters, digits and single hyphens, at most %(most)d characters; "
                "the word “add” is taken."
            )
            % {"most": LONGEST_SLUG},
        )
    return typed


def acceptable_email(typed: str) -> str:
    """An address with a domain, or nothing; ProblemError for anything else."""
    if not typed:
        return ""
    try:
        _is_email(typed)
    except ValidationError:
        raise _refusal(
            "contact-email-unusable",
            _("“%(typed)s” is not an email address.") % {"typed": typed},
            _("Enter a name, an @ and a domain, such as postmaster@example.com."),
        ) from None
    return typed


def acceptable_port(typed: str) -> int:
    """A port that the challenge service can be given, or ProblemError.

    The port that is configured already is accepted unseen: if it makes trouble, a warning says
    so, and the other fields can still be changed.
    """
    if not _PORT.fullmatch(typed):
        raise _refusal(
            "challenge-port-not-a-number",
            _("“%(typed)s” is not a port.") % {"typed": typed},
            _("Enter a number from 1 to %(highest)d.") % {"highest": ports.HIGHEST},
        )
    port = int(typed)
    if NetworkSettings.objects.filter(challenge_port=port).exists():
        return port
    listener = ChallengeListener.newest()
    host = settings.CONFIGURATION.challenge_host
    if problem := ports.port_problem(port, listener, host=host):
        raise ProblemError(problem)
    return port


def acceptable_profile(typed: str, gateway: Gateway) -> str:
    """A profile that the production CA lists, or nothing for its own choice; or ProblemError.

    The gateway's own is accepted unseen, so that the other fields can still be changed, and any
    while the CA's list is not known: the CA has the last word.
    """
    listed = directories.profiles(Environment.PRODUCTION)
    if not typed or (typed == DEFAULT_PROFILE and typed not in (listed or {})):
        return ""
    if len(typed) > LONGEST_PROFILE or (
        listed is not None and typed not in listed and typed != gateway.profile
    ):
        raise _refusal(
            "profile-unknown",
            _("The certificate authority offers no profile “%(typed)s”.") % {"typed": typed},
            _("Choose one of: %(choices)s")
            % {"choices": ", ".join([DEFAULT_PROFILE, *sorted(listed or {})])},
        )
    return typed


def _one_of(values: list[str]) -> Callable[[str], str]:
    def accept(typed: str) -> str:
        if typed not in values:
            raise _refusal(
                "choice-unknown",
                _("“%(typed)s” is not one of the choices.") % {"typed": typed},
                _("Choose one of: %(choices)s") % {"choices": ", ".join(values)},
            )
        return typed

    return accept


def _agreement(gateway: Gateway, now: datetime.datetime) -> dict[str, object]:
    """What is stored of an agreement; the first moment is kept while the document is the same.

    While the CA cannot be asked the agreement is kept without a document, and the form asks
    again once the CA names one.
    """
    url = terms.current().url
    if gateway.terms_agreed_at and (not url or gateway.terms_of_service_url == url):
        return {}
    return {"terms_of_service_url": url, "terms_agreed_at": now}


def _terms_not_agreed() -> Problem:
    return Problem(
        code="terms-not-agreed",
        severity=Severity.ERROR,
        explanation=_("Let's Encrypt gives certificates only to those who agree to its terms."),
        remedy=(_("Read the terms of service and tick the box, or choose Manual."),),
    )


def _refusal(code: str, explanation: str, remedy: str) -> ProblemError:
    return ProblemError(
        Problem(code=code, severity=Severity.ERROR, explanation=explanation, remedy=(remedy,))
    )
