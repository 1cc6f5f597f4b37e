"""What a CA tells anybody, without account and signature: its directory, and when to renew."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from certificates.authority.answers import Directory, RenewalInformationAnswer
from certificates.authority.documents import read_renewal_information
from certificates.authority.transport import Transport

# RFC 9773 §4.1; it becomes part of an address.
_CERTIFICATE_ID = re.compile(r"[A-Za-z0-9_-]{1,200}\.[A-Za-z0-9_-]{1,200}")


class Reader:
    """Asks a CA over one kept connection. Not for two threads at once.

    Every method raises AcmeError, UnreachableError or InvalidAnswerError, and may be called again
    after that.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def directory(self) -> Directory:
        """The CA's directory, asked for once."""
        return self._transport.directory()

    def renewal_information(self, certificate_id: str) -> RenewalInformationAnswer | None:
        """When the CA wants that certificate to be renewed (RFC 9773 §4.1).

        ``certificate_id`` is what :func:`certificates.pem.renewal_id` says. None when the CA
        offers no such information, or there is no identifier to ask with.
        """
        with self._transport.deadline():
            base = self.directory().renewal_info
            if not base or not _CERTIFICATE_ID.fullmatch(certificate_id):
                return None
            answer = self._transport.send("GET", f"{base.rstrip('/')}/{certificate_id}")
        return read_renewal_information(answer.body, answer.retry_after)


@contextlib.contextmanager
def reader(directory_url: str, ca_bundle: Path | None) -> Iterator[Reader]:
    """A connection for many questions at once; the directory is read once, when it is needed."""
    with contextlib.closing(Transport(directory_url, ca_bundle)) as transport:
        yield Reader(transport)


def fetch_directory(url: str, ca_bundle: Path | None) -> Directory:
    """The CA's directory, by a connection of its own. Raises like :class:`Reader`."""
    with reader(url, ca_bundle) as asking:
        return asking.directory()


def fetch_renewal_information(
    directory_url: str, ca_bundle: Path | None, certificate_id: str
) -> RenewalInformationAnswer | None:
    """One answer of :meth:`Reader.renewal_information`, by a connection of its own."""
    with reader(directory_url, ca_bundle) as asking:
        return asking.renewal_information(certificate_id)
