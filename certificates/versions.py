"""The line of versions that a certificate belongs to: which replaced which."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from certificates.models import Certificate


@dataclasses.dataclass(frozen=True, slots=True)
class Lines:
    """Which certificate came before which, and which after, by their numbers."""

    before: Mapping[int, int]
    after: Mapping[int, int]

    def of(self, pk: int) -> list[int]:
        """The certificate and all that it has replaced or that have replaced it, newest first."""
        while (newer := self.after.get(pk)) is not None:
            pk = newer
        found = [pk]
        while (older := self.before.get(found[-1])) is not None:
            found.append(older)
        return found


def lines(gateways: Iterable[int]) -> Lines:
    """All lines of the gateways with these numbers. One query, of numbers alone."""
    later = Certificate.objects.filter(gateway__in=gateways, replaces__isnull=False).order_by()
    before = {pk: older for pk, older in later.values_list("pk", "replaces_id") if older}
    return Lines(before, {older: newer for newer, older in before.items()})


def line(certificate: Certificate) -> list[int]:
    """The numbers of all versions of the certificate, newest first. One query."""
    return lines([certificate.gateway_id]).of(certificate.pk)


def fetch(numbers: Sequence[int]) -> list[Certificate]:
    """The certificates of these numbers in their order, without chains and keys. One query for
    every thousand or so, so that a page asks for those alone that it shows."""
    found = Certificate.objects.defer("chain_pem", "sealed_key").in_bulk(numbers)
    return [found[pk] for pk in numbers]


def of(certificate: Certificate) -> list[Certificate]:
    """All versions of the certificate, newest first."""
    return fetch(line(certificate))


def newest(certificate: Certificate) -> Certificate:
    """The last version of the certificate, which may be itself. At most two queries."""
    (pk,) = line(certificate)[:1]
    return certificate if pk == certificate.pk else fetch([pk])[0]
