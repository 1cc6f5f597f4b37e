"""HTTPS to a CA: bounded in size and time, with a pool of nonces and the CA's directory.

Believes nothing that the CA says without a look; never sleeps, never repeats a request.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import http.cookiejar
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
from josepy.errors import DeserializationError
from josepy.json_util import decode_b64jose
from urllib3.exceptions import HTTPError

from certificates.authority.answers import (
    AcmeError,
    Directory,
    InvalidAnswerError,
    UnreachableError,
)
from certificates.authority.bounded import (
    CONNECT_TIMEOUT,
    READ_TIMEOUT,
    BoundedAdapter,
    Deadline,
)
from certificates.authority.documents import read_directory, read_refusal
from certificates.policy.retry import parse_retry_after

USER_AGENT = "gateway-admin/0.1 (+acme)"
# Seconds that a question may take with everything that belongs to it: the directory, a nonce, and
# further tries after refused nonces. Shorter than what is left of a lease that has been kept.
EXCHANGE_LIMIT = 25.0
MAX_BODY = 1024 * 1024  # bytes
CHUNK = 65536  # bytes
MOST_NONCES = 50
LONGEST_URL = 500  # characters, as the rows keep them
# A CA may move its resources, and a connection may be kept for months.
DIRECTORY_LIFETIME = 3600.0  # seconds
IDLE_LIMIT = 20.0  # seconds after which a kept connection is not trusted to be alive


@dataclasses.dataclass(frozen=True)
class Answer:
    headers: requests.structures.CaseInsensitiveDict[str]
    body: bytes
    retry_after: datetime.datetime | None


class Transport:
    """HTTPS with bounded bodies and times, a pool of nonces, and the CA's directory."""

    def __init__(
        self, directory_url: str, ca_bundle: Path | None, limit: float = EXCHANGE_LIMIT
    ) -> None:
        self._url = directory_url
        self._limit = limit
        self._deadline = Deadline()
        self._verify: str | bool = str(ca_bundle) if ca_bundle else True
        self._session = requests.Session()
        self._session.mount("https://", BoundedAdapter(self._deadline))
        # ACME knows no cookies, and what a CA says should not pile up here.
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=()))
        # The environment's proxies, read once: requests would read them for every request.
        self._session.proxies = requests.utils.get_environ_proxies(directory_url)
        self._session.trust_env = False
        self._used_at = time.monotonic()
        self._nonces: collections.deque[bytes] = collections.deque(maxlen=MOST_NONCES)
        self._directory: Directory | None = None
        self._directory_read_at = 0.0

    def close(self) -> None:
        """Give up the kept connection; the next request makes another."""
        self._session.close()

    def deadline(self) -> contextlib.AbstractContextManager[None]:
        """All requests inside must end in the time of one; one alone has a deadline anyway."""
        return self._deadline.within(self._limit)

    def directory(self) -> Directory:
        """The directory, asked for once an hour at most."""
        now = time.monotonic()
        if self._directory is None or now - self._directory_read_at > DIRECTORY_LIFETIME:
            answer = self.send("GET", self._url)
            self._directory = read_directory(self._url, answer.body, self.trusted)
            self._directory_read_at = now
        return self._directory

    def trusted(self, url: str) -> str:
        """The URL, if it is https on the directory's own host; else InvalidAnswerError."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise InvalidAnswerError(f"the CA named no proper address: {url[:200]}") from error
        if len(url) > LONGEST_URL or not (url.isascii() and url.isprintable()) or " " in url:
            raise InvalidAnswerError(f"the CA named no proper address: {url[:200]}")
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
            raise AcmeError(read_refusal(response.status_code, body, retry_after))
        if response.is_redirect:
            raise InvalidAnswerError(f"the CA redirects {url}, which ACME does not do")
        return Answer(response.headers, body, retry_after)

    def _exchange(
        self, method: str, url: str, data: str | None, accept: str
    ) -> tuple[requests.Response, bytes]:
        if time.monotonic() - self._used_at > IDLE_LIMIT:
            self._session.close()
        with self.deadline():
            try:
                response, body = self._request(method, url, data, accept)
            # An OSError of its own kind is a CA bundle that is not there.
            except (requests.RequestException, OSError, HTTPError) as error:
                reason = _reason(error)
                if self._deadline.has_passed:
                    reason = f"the CA took longer than {self._limit:g} seconds: {reason}"
                raise UnreachableError(reason) from error
        self._used_at = time.monotonic()
        return response, body

    def _request(
        self, method: str, url: str, data: str | None, accept: str
    ) -> tuple[requests.Response, bytes]:
        with self._session.request(
            method,
            url,
            data=data,
            headers={
                "User-Agent": USER_AGENT,
                "Accept": accept,
                "Accept-Encoding": "identity",
                **({"Content-Type": "application/jose+json"} if data else {}),
            },
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            verify=self._verify,
            allow_redirects=False,
            stream=True,
        ) as response:
            return response, _bounded(response)


def _bounded(response: requests.Response) -> bytes:
    """The body, up to a limit; what is larger or would have to be unpacked is not read."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InvalidAnswerError("the CA's answer is compressed, which was not asked for")
    promised = response.headers.get("Content-Length", "")
    too_large = promised.isdecimal() and int(promised[:20]) > MAX_BODY
    body = bytearray()
    chunks = response.iter_content(CHUNK)
    while not too_large and (chunk := next(chunks, b"")):
        body += chunk
        too_large = len(body) > MAX_BODY
    if too_large:
        raise InvalidAnswerError("the CA's answer is larger than 1 MiB")
    return bytes(body)


def _reason(error: Exception) -> str:
    cause: BaseException = error
    while cause.args and isinstance(cause.args[0], BaseException):
        cause = cause.args[0]
    reason = getattr(cause, "reason", None)
    return f"{type(error).__name__}: {reason or cause}"[:1000]
