"""HTTPS of the console: which certificate the next connection is shown.

Used by gunicorn's workers, and only where the console speaks HTTPS itself.
"""

from __future__ import annotations

import datetime
import errno
import logging
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway_admin.configuration import Configuration
from gateway_admin.launch import self_signed

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

logger = logging.getLogger("gateway_admin.console")

# Seconds. A client that takes no answer must not keep one of the few threads.
ANSWER_PATIENCE = 30.0
RENEWAL_LOOKED_AT_EVERY = 60 * 60.0


class Connection(ssl.SSLSocket):
    """A connection on which nothing is waited for without an end."""

    def setblocking(self, flag: bool) -> None:
        """Gunicorn's way to say that a thread may wait now."""
        self.settimeout(ANSWER_PATIENCE if flag else 0.0)

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        """Raises ConnectionResetError, which gunicorn passes over in silence."""
        try:
            return super().send(data, flags)
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "the answer is not taken") from error


@dataclass(frozen=True, slots=True)
class Served:
    """The certificate in use, and what it is known by."""

    signature: tuple[object, ...]
    context: ssl.SSLContext
    fingerprint: str
    is_self_signed: bool


class ConsoleCertificate:
    """What the console is served with: a gateway's files in use if it has any, else its own.

    Files that have changed are loaded at the next connection. May be used by several threads.
    """

    def __init__(self, own: Path, live: Path | None, names: Sequence[str]) -> None:
        """``own`` is the self-signed one's file, ``live`` the directory of a gateway's files."""
        self.own, self.live, self.names = own, live, tuple(names)
        self._served: Served | None = None
        self._unusable: tuple[object, ...] = ()
        self._looked_at: float | None = None
        self._warnings: set[str] = set()
        self._lock = threading.Lock()

    def current(self) -> Served:
        """The certificate for a connection now. Raises OSError when there is none at all."""
        with self._lock:
            self._served = self._live() or self._own()
            return self._served

    def _live(self) -> Served | None:
        if not self.live:
            return None
        # Once, so that certificate and key are of the same set.
        directory = self.live.resolve()
        files = directory / "fullchain.pem", directory / "privkey.pem"
        try:
            signature = _signature(*files)
        except OSError:
            return None
        if signature == self._unusable:
            return None
        try:
            return self._loaded(signature, *files)
        except (OSError, ValueError) as error:
            # What is wrong with the files stays so; what the machine lacks may be there next time.
            if isinstance(error, ssl.SSLError | ValueError):
                self._unusable = signature
            self._warn(
                f"The files in {directory} cannot be used for the console ({error}): it shows its "
                "self-signed certificate."
            )
            return None

    def _own(self) -> Served:
        is_new = self._renew()
        try:
            served = self._loaded(_signature(self.own), self.own, self.own)
        except (OSError, ValueError):
            # Gone, damaged, or replaced between two looks at it.
            is_new = self._make()
            served = self._loaded_again()
        if is_new:
            logger.warning(
                "The console's self-signed certificate is a new one. Its SHA-256 fingerprint: %s",
                served.fingerprint,
            )
        return served

    def _loaded_again(self) -> Served:
        try:
            return self._loaded(_signature(self.own), self.own, self.own)
        except (OSError, ValueError) as error:
            self._warn(f"The console's self-signed certificate cannot be used: {error}.")
            if not self._served:
                raise
            return self._served

    def _renew(self) -> bool:
        if self._looked_at is not None:
            if time.monotonic() - self._looked_at < RENEWAL_LOOKED_AT_EVERY:
                return False
            self._warnings.clear()
        self._looked_at = time.monotonic()
        return self._make()

    def _make(self) -> bool:
        now = datetime.datetime.now(datetime.UTC)
        try:
            return self_signed.ensure(self.own, self.names, now)
        except OSError as error:
            self._warn(f"The console's self-signed certificate cannot be written: {error}.")
            return False

    def _warn(self, sentence: str) -> None:
        """Once between two looks, however many connect."""
        if sentence not in self._warnings:
            self._warnings.add(sentence)
            logger.warning("%s", sentence)

    def _loaded(self, signature: tuple[object, ...], certificate: Path, key: Path) -> Served:
        if self._served and self._served.signature == signature:
            return self._served
        leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
        return Served(
            signature=signature,
            context=_context(certificate, key),
            fingerprint=self_signed.fingerprint(leaf.public_bytes(Encoding.DER)),
            is_self_signed=leaf.issuer == leaf.subject,
        )


def of(loaded: Configuration, names: Sequence[str]) -> ConsoleCertificate:
    """What that configuration wants the console to be served with."""
    slug = loaded.console_gateway
    live = loaded.data_dir / "live" / slug if slug else None
    return ConsoleCertificate(loaded.console_certificate_file, live, names)


def _signature(*paths: Path) -> tuple[object, ...]:
    """What is another one as soon as one of the files is; raises OSError."""
    facts = [(path, path.stat()) for path in paths]
    return tuple((path, f.st_ino, f.st_mtime_ns, f.st_size) for path, f in facts)


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = Connection
    context.load_cert_chain(certificate, key)
    return context


# What this process serves the console with; None where something else speaks HTTPS, or nobody.
_console: ConsoleCertificate | None = None


def serve_with(console: ConsoleCertificate) -> None:
    """This process serves the console, with that certificate."""
    global _console  # noqa: PLW0603 (one per process, as its configuration is)
    _console = console


def context() -> ssl.SSLContext:
    """For the next connection. Raises OSError or ValueError when there is no certificate at all."""
    assert _console is not None  # noqa: S101
    return _console.current().context


def self_signed_fingerprint() -> str:
    """The fingerprint of the certificate in use if it is self-signed; else empty. Never raises."""
    try:
        served = _console.current() if _console else None
    except (OSError, ValueError):
        return ""
    return served.fingerprint if served and served.is_self_signed else ""
