"""Sixth block: the certificate authority's directory can be reached (RFC 8555 §7.1.1)."""

from __future__ import annotations

import dataclasses
import enum
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi
from django.utils.translation import gettext as _

from challenges.preflight import clock
from challenges.preflight.parallel import in_parallel
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity

SECONDS = 4.0
ALL_TOGETHER = 6.0
MOST_BYTES = 64 * 1024
_NEEDED = frozenset({"newNonce", "newAccount", "newOrder"})


class Outcome(enum.Enum):
    """What came of asking for a directory."""

    FOUND = "found"
    NOT_HTTPS = "not-https"
    NAME_UNKNOWN = "name-unknown"
    REFUSED = "refused"
    NOT_TRUSTED = "not-trusted"
    STATUS = "status"
    NOT_A_DIRECTORY = "not-a-directory"
    SILENT = "silent"


@dataclasses.dataclass(frozen=True)
class Answer:
    """The outcome, the answer's Date header, and what an expert wants to see."""

    outcome: Outcome
    date: str = ""
    detail: str = ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A directory that has moved is not followed to wherever it says."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        """Refuse: urllib then reports the redirect's own status."""


def check(surroundings: Surroundings) -> list[Problem]:
    """Ask all directories at the same time; compare the clock with theirs once."""
    urls = tuple(dict.fromkeys(surroundings.directory_urls))
    answers = in_parallel(
        [partial(fetch, url, surroundings.ca_bundle) for url in urls], seconds=ALL_TOGETHER
    )
    pairs = [
        (url, answer or Answer(Outcome.SILENT)) for url, answer in zip(urls, answers, strict=True)
    ]
    problems = [problem for url, answer in pairs if (problem := judge(url, answer))]
    return [*problems, *_clock(pairs, surroundings)]


def fetch(url: str, ca_bundle: Path | None) -> Answer:
    """GET the directory. Never raises for what the network or the server does."""
    if not url.startswith("https://"):
        return Answer(Outcome.NOT_HTTPS)
    request = urllib.request.Request(url, headers={"User-Agent": "gateway-admin"})  # noqa: S310
    context = ssl.create_default_context(cafile=str(ca_bundle or certifi.where()))
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), _NoRedirect()
    )
    try:
        with opener.open(request, timeout=SECONDS) as response:
            return _read(response.read(MOST_BYTES), response.headers.get("Date", ""))
    except urllib.error.HTTPError as error:
        error.close()
        return Answer(Outcome.STATUS, error.headers.get("Date", ""), f"HTTP {error.code}")
    except urllib.error.URLError as error:
        return Answer(_outcome(error.reason), detail=str(error.reason))
    except Exception as error:  # http.client raises much more than it says
        return Answer(_outcome(error), detail=f"{type(error).__name__}: {error}")


def judge(url: str, answer: Answer) -> Problem | None:
    """What the answer means for the administrator."""
    if answer.outcome is Outcome.FOUND:
        return None
    facts = {"host": urlsplit(url).netloc, "url": url}
    explanation, remedy = _words(answer.outcome)
    return Problem(
        code=f"directory-{answer.outcome.value}",
        severity=Severity.ERROR,
        explanation=explanation % facts,
        remedy=(remedy % facts,),
        detail=f"{url}: {answer.detail}".rstrip(": "),
        retryable=answer.outcome not in {Outcome.NOT_HTTPS, Outcome.NOT_A_DIRECTORY},
    )


def _words(outcome: Outcome) -> tuple[str, str]:
    check_address = _("Check the ACME server's address in the configuration: %(url)s")
    let_through = _("Let this machine connect to %(host)s over HTTPS, in every firewall and proxy.")
    return {
        Outcome.NOT_HTTPS: (
            _("The ACME server's address %(url)s does not begin with https://."),
            check_address,
        ),
        Outcome.NAME_UNKNOWN: (
            _("This machine cannot find the address of the certificate authority (%(host)s)."),
            _("Check this machine's own DNS servers: resolvectl status"),
        ),
        Outcome.REFUSED: (
            _("The certificate authority (%(host)s) refuses the connection."),
            let_through,
        ),
        Outcome.NOT_TRUSTED: (
            _("The certificate authority's own server (%(host)s) shows an untrusted certificate."),
            _(
                "If a firewall inspects HTTPS, exempt %(host)s; for a CA of your own, name its "
                "root certificate in GATEWAY_ADMIN_ACME_CA_BUNDLE."
            ),
        ),
        Outcome.STATUS: (
            _("The certificate authority (%(host)s) answers with an error."),
            _("Try again later; see the CA's status page for known outages."),
        ),
        Outcome.NOT_A_DIRECTORY: (
            _("What %(host)s answers is not an ACME directory."),
            check_address,
        ),
        Outcome.SILENT: (
            _("The certificate authority (%(host)s) does not answer in time."),
            let_through,
        ),
    }[outcome]


def _clock(pairs: Sequence[tuple[str, Answer]], surroundings: Surroundings) -> list[Problem]:
    for url, answer in pairs:
        if answer.date:
            problem = clock.compare(surroundings.now, answer.date, urlsplit(url).netloc)
            return [problem] if problem else []
    return []


def _read(body: bytes, date: str) -> Answer:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if isinstance(document, dict) and document.keys() >= _NEEDED:
        return Answer(Outcome.FOUND, date)
    return Answer(Outcome.NOT_A_DIRECTORY, date, repr(body[:200]))


def _outcome(reason: object) -> Outcome:
    if isinstance(reason, socket.gaierror):
        return Outcome.NAME_UNKNOWN
    if isinstance(reason, ssl.SSLError):
        return Outcome.NOT_TRUSTED
    if isinstance(reason, ConnectionError):
        return Outcome.REFUSED
    return Outcome.SILENT
