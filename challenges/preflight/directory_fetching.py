"""Asks for a CA's directory in the way in which the issuing itself does, and says what came of it.

The same proxy, the same roots, the same rules for certificates; nothing is followed. Where the
certificate shown is not trusted it looks a second time, without trust, only to tell whose it is.
All of it ends in time, however slowly anybody talks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import ssl
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import certifi
import urllib3
from cryptography import x509
from cryptography.x509.oid import NameOID
from urllib3.exceptions import ProxyError

from challenges.preflight.directory_outcomes import Outcome, causes_of, outcome_of
from challenges.preflight.limited import Limit, LimitedConnection, LimitedContext, LimitedPool
from challenges.problems import legible

SECONDS = 5.0  # for each step: connecting, and waiting for an answer
ALL_SECONDS = 9.0  # for all steps together, the second look among them
MOST_BYTES = 64 * 1024
_NEEDED = frozenset({"newNonce", "newAccount", "newOrder"})
_HEADERS = {"User-Agent": "gateway-admin (preflight)", "Accept-Encoding": "identity"}
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3}[^'\")]*)")


@dataclasses.dataclass(frozen=True)
class Shown:
    """Whose certificate a server shows, as it says itself."""

    issuer: str
    names: str
    not_before: datetime
    not_after: datetime


@dataclasses.dataclass(frozen=True)
class Answer:
    """The outcome, the answer's Date header, and what an expert wants to see."""

    outcome: Outcome
    date: str = ""
    detail: str = ""
    status: str = ""
    shown: Shown | None = None


def fetch(url: str, ca_bundle: Path | None, proxy: str = "") -> Answer:
    """GET the directory. Never raises for what the network or the server does."""
    if not url.startswith("https://"):
        return Answer(Outcome.NOT_HTTPS)
    if proxy and not _is_usable(proxy):
        return Answer(Outcome.PROXY_UNUSABLE)
    try:
        context = _trusting(ca_bundle)
    except OSError as error:
        return Answer(Outcome.BUNDLE_UNREADABLE, detail=f"{ca_bundle}: {error.strerror or error}")
    with Limit(ALL_SECONDS) as limit:
        context.limit = limit
        try:
            with _get(url, context, proxy) as response:
                answer = _read(response)
            # What was cut off at the end of the time is not all that would have come.
            return _too_slow() if limit.is_over else answer
        except Exception as error:  # urllib3 and http.client raise much more than they say
            return _too_slow(error) if limit.is_over else _failed(error, url, proxy, limit)


@contextlib.contextmanager
def _get(
    url: str, context: LimitedContext, proxy: str
) -> Iterator[urllib3.response.BaseHTTPResponse]:
    timeout = urllib3.Timeout(connect=SECONDS, read=SECONDS)
    options: dict[str, Any] = {
        "ssl_context": context,
        "timeout": timeout,
        "retries": False,
        "maxsize": 1,
    }
    manager = _through(proxy, options) if proxy else urllib3.PoolManager(**options)
    manager.pool_classes_by_scheme = {"https": LimitedPool}
    try:
        with contextlib.closing(
            manager.request("GET", url, headers=_HEADERS, redirect=False, preload_content=False)
        ) as response:
            yield response
    finally:
        manager.clear()


def _through(proxy: str, options: dict[str, Any]) -> urllib3.ProxyManager:
    return urllib3.ProxyManager(_with_scheme(proxy), proxy_headers=_credentials(proxy), **options)


def _credentials(proxy: str) -> dict[str, str]:
    """What the proxy's own URL says about who we are, for the proxy alone."""
    parts = urlsplit(_with_scheme(proxy))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return dict(urllib3.make_headers(proxy_basic_auth=f"{user}:{password}")) if user else {}


def _is_usable(proxy: str) -> bool:
    try:
        parts = urlsplit(_with_scheme(proxy))
        _port = parts.port  # a word instead of a number is found out only here
    except ValueError:
        return False
    return parts.scheme in {"http", "https"}


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _trusting(ca_bundle: Path | None) -> LimitedContext:
    # Not create_default_context(): its rules are stricter than those of the issuing.
    context = LimitedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    roots = ca_bundle or Path(certifi.where())
    if roots.is_dir():
        context.load_verify_locations(capath=str(roots))
    else:
        context.load_verify_locations(cafile=str(roots))
    return context


def _read(response: urllib3.response.BaseHTTPResponse) -> Answer:
    date = response.headers.get("Date", "")
    if response.status != 200:
        told = f"{response.status} {(response.reason or '')[:60]}".strip()
        return Answer(Outcome.STATUS, date, f"HTTP {told}", told)
    body = response.read(MOST_BYTES, decode_content=False)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and document.keys() >= _NEEDED:
        return Answer(Outcome.FOUND, date)
    return Answer(Outcome.NOT_A_DIRECTORY, date, repr(body[:200]))


def _too_slow(error: Exception | None = None) -> Answer:
    said = f": {error}" if error else ""
    return Answer(Outcome.SILENT, detail=f"not done after {ALL_SECONDS:g} seconds{said}"[:500])


def _failed(error: Exception, url: str, proxy: str, limit: Limit) -> Answer:
    detail = f"{type(error).__name__}: {error}"[:500]
    causes = causes_of(error)
    if tunnel := _TUNNEL.search(" ".join(str(cause) for cause in causes)):
        return Answer(Outcome.PROXY_REFUSES, detail=detail, status=tunnel[1].strip())
    outcome = outcome_of(error)
    if any(isinstance(cause, ProxyError) for cause in causes):
        is_passing = outcome in {Outcome.SILENT, Outcome.CUT_OFF, Outcome.NAME_UNANSWERED}
        return Answer(
            Outcome.PROXY_SILENT if is_passing else Outcome.PROXY_UNREACHABLE, detail=detail
        )
    if outcome not in {Outcome.NOT_TRUSTED, Outcome.OTHER_SERVER, Outcome.CERTIFICATE_TIME}:
        return Answer(outcome, detail=detail)
    shown, date = _look_without_trust(url, proxy, limit)
    return Answer(outcome, date, detail, shown=shown)


def _look_without_trust(url: str, proxy: str, limit: Limit) -> tuple[Shown | None, str]:
    """The certificate that the server shows, and its Date header; sends nothing that is secret.

    Not through an https:// proxy: its password is for whoever has proved to be that proxy.
    """
    if proxy and urlsplit(_with_scheme(proxy)).scheme != "http":
        return None, ""
    context = LimitedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.limit = limit
    connection = _connection(url, proxy, context)
    try:
        connection.connect()
        certificate = cast(ssl.SSLSocket, connection.sock).getpeercert(binary_form=True)
        connection.request("HEAD", urlsplit(url).path or "/", headers=_HEADERS)
        date = connection.getresponse().headers.get("Date", "")
        return (_describe(certificate) if certificate else None), date
    except Exception:  # the first look has said what matters
        return None, ""
    finally:
        connection.close()


def _connection(url: str, proxy: str, context: LimitedContext) -> LimitedConnection:
    # Without a pool, which warns of every connection without trust.
    there, through = urlsplit(url), urlsplit(_with_scheme(proxy))
    host, port = there.hostname or "", there.port or 443
    if not proxy:
        return LimitedConnection(host, port, timeout=SECONDS, ssl_context=context)
    connection = LimitedConnection(
        through.hostname or "", through.port or 80, timeout=SECONDS, ssl_context=context
    )
    connection.set_tunnel(host, port, headers=_credentials(proxy))
    return connection


def _describe(certificate: bytes) -> Shown:
    found = x509.load_der_x509_certificate(certificate)
    try:
        alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = ", ".join(alternative.get_values_for_type(x509.DNSName)[:3])
    except x509.ExtensionNotFound:
        names = _called(found.subject)
    return Shown(
        _called(found.issuer),
        names[:100],
        found.not_valid_before_utc,
        found.not_valid_after_utc,
    )


def _called(name: x509.Name) -> str:
    """The organisation and the common name, as far as there are any; on one line."""
    parts = [
        str(attribute.value)
        for kind in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
        for attribute in name.get_attributes_for_oid(kind)[:1]
    ]
    return legible(" ".join(" ".join(parts).split()), 100) or "?"
