"""HTTPS to a CA: bounded in size and time, with a pool of nonces and the CA's directory.

Believes nothing that the CA says without a look; never sleeps, never repeats a request.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import time
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from acme import messages
from josepy.errors import DeserializationError
from josepy.interfaces import JSONDeSerializable
from josepy.json_util import decode_b64jose

from certificates.authority.answers import (
    AcmeError,
    Directory,
    InvalidAnswerError,
    UnreachableError,
)
from certificates.policy.acme_problems import URN, CaProblem
from certificates.policy.retry import parse_retry_after

USER_AGENT = "gateway-admin/0.1 (+acme)"
CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 20.0  # seconds
MAX_BODY = 1024 * 1024  # bytes
IDLE_LIMIT = 20.0  # seconds after which a kept connection is not trusted to be alive

# What the libraries raise for documents that are none, or are nested a thousand deep.
_NOT_ACME = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
    DeserializationError,
)

_Parsed = TypeVar("_Parsed", bound=JSONDeSerializable)


@dataclasses.dataclass(frozen=True)
class Answer:
    headers: requests.structures.CaseInsensitiveDict[str]
    body: bytes
    retry_after: datetime.datetime | None


class Transport:
    """HTTPS with bounded bodies and times, a pool of nonces, and the CA's directory."""

    def __init__(self, directory_url: str, ca_bundle: Path | None) -> None:
        self._url = directory_url
        self._verify: str | bool = str(ca_bundle) if ca_bundle else True
        self._session = requests.Session()
        # The environment's proxies, read once: requests would read them for every request.
        self._session.proxies = requests.utils.get_environ_proxies(directory_url)
        self._session.trust_env = False
        self._used_at = time.monotonic()
        self._nonces: list[bytes] = []
        self._directory: Directory | None = None

    def directory(self) -> Directory:
        """The directory, asked for once."""
        if self._directory is None:
            self._directory = self._read_directory()
        return self._directory

    def trusted(self, url: str) -> str:
        """The URL, if it is https on the directory's own host; else InvalidAnswerError."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise InvalidAnswerError(f"the CA named no proper address: {url[:200]}") from error
        if parts.scheme != "https" or parts.netloc != urlsplit(self._url).netloc:
            raise InvalidAnswerError(f"the CA named an address that is not its own: {url[:200]}")
        return url

    def nonce(self) -> bytes:
        """An unused nonce, asked for only where none is left (§7.2)."""
        # The directory's answer may bring one.
        directory = self.directory()
        if not self._nonces:
            self.send("HEAD", directory.new_nonce)
        if not self._nonces:
            raise InvalidAnswerError("the CA gave no nonce")
        return self._nonces.pop()

    def send(
        self, method: str, url: str, data: str | None = None, accept: str = "application/json"
    ) -> Answer:
        """One request; every answer's nonce is kept, that of an error too."""
        response, body = self._exchange(method, self.trusted(url), data, accept)
        if nonce := response.headers.get("Replay-Nonce"):
            with contextlib.suppress(DeserializationError):
                self._nonces.append(decode_b64jose(nonce))
        retry_after = parse_retry_after(
            response.headers.get("Retry-After"), datetime.datetime.now(datetime.UTC)
        )
        if not response.ok:
            raise AcmeError(_refusal(response.status_code, body, retry_after))
        if response.is_redirect:
            raise InvalidAnswerError(f"the CA redirects {url}, which ACME does not do")
        return Answer(response.headers, body, retry_after)

    def _exchange(
        self, method: str, url: str, data: str | None, accept: str
    ) -> tuple[requests.Response, bytes]:
        if time.monotonic() - self._used_at > IDLE_LIMIT:
            self._session.close()
        try:
            with self._session.request(
                method,
                url,
                data=data,
                headers={
                    "User-Agent": USER_AGENT,
                    "Accept": accept,
                    **({"Content-Type": "application/jose+json"} if data else {}),
                },
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = _bounded(response)
        except requests.RequestException as error:
            raise UnreachableError(_reason(error)) from error
        self._used_at = time.monotonic()
        return response, body

    def _read_directory(self) -> Directory:
        answer = self.send("GET", self._url)
        body = parse(messages.Directory, answer)
        try:
            return Directory(
                url=self._url,
                new_nonce=self.trusted(str(body["newNonce"])),
                new_account=self.trusted(str(body["newAccount"])),
                new_order=self.trusted(str(body["newOrder"])),
                terms_of_service=_web_link(body.meta.terms_of_service),
                external_account_required=bool(body.meta.external_account_required),
            )
        except (KeyError, AttributeError, TypeError) as error:
            raise InvalidAnswerError(f"{self._url} is not an ACME directory") from error


def _bounded(response: requests.Response) -> bytes:
    body = b""
    deadline = time.monotonic() + READ_TIMEOUT
    for chunk in response.iter_content(65536):
        body += chunk
        if len(body) > MAX_BODY:
            raise InvalidAnswerError("the CA's answer is larger than 1 MiB")
        if time.monotonic() > deadline:
            raise UnreachableError("the CA's answer took too long to arrive")
    return body


def _refusal(status: int, body: bytes, retry_after: datetime.datetime | None) -> CaProblem:
    try:
        error = messages.Error.from_json(json.loads(body))
    except _NOT_ACME:
        text = body[:500].decode("utf-8", "replace")
        return CaProblem("", f"HTTP status {status}: {text}", status, retry_after=retry_after)
    return dataclasses.replace(read_problem(error), status=status, retry_after=retry_after)


def read_problem(error: messages.Error, identifier: str = "") -> CaProblem:
    named = getattr(error, "identifier", None)
    return CaProblem(
        type=str(error.typ or "").removeprefix(URN)[:64],
        detail=str(error.detail or "")[:4000],
        identifier=str(named.value) if named is not None else identifier,
        subproblems=tuple(read_problem(sub) for sub in (error.subproblems or ())[:100]),
    )


def parse(kind: type[_Parsed], answer: Answer) -> Any:
    try:
        return kind.from_json(json.loads(answer.body))
    except _NOT_ACME as error:
        raise InvalidAnswerError(f"the CA's answer is not ACME: {error!s:.300}") from error


def _web_link(url: object) -> str:
    text = str(url or "")
    return text if urlsplit(text).scheme in {"https", "http"} else ""


def _reason(error: requests.RequestException) -> str:
    cause: BaseException = error
    while cause.args and isinstance(cause.args[0], BaseException):
        cause = cause.args[0]
    reason = getattr(cause, "reason", None)
    return f"{type(error).__name__}: {reason or cause}"[:1000]
