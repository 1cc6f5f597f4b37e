"""What the pages show of certificate requests."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from certificates.models import Certificate, CertificateRequest, Gateway
from certificates.policy.keys import KeyType

MOST_SHOWN = 50
_UNSAFE = re.compile(r"[^a-z0-9.-]+")
LONGEST_STEM = 80


def open_requests(gateway: Gateway | None) -> list[CertificateRequest]:
    """The newest requests that wait for an answer, of one gateway or of all. One query."""
    found = CertificateRequest.objects.filter(certificate=None).select_related("gateway")
    if gateway is not None:
        found = found.filter(gateway=gateway)
    return list(found.defer("sealed_key", "csr_pem")[:MOST_SHOWN])


def subject_rows(request: CertificateRequest) -> list[tuple[str, str]]:
    """What the request says of the organization, with labels, in the form's order."""
    labels = {
        "organization": _("Organization"),
        "organizational_unit": _("Organizational unit"),
        "locality": _("Locality"),
        "state": _("State or province"),
        "country": _("Country"),
        "email": _("Email"),
    }
    said: dict[str, str] = request.subject
    return [(label, said[field]) for field, label in labels.items() if said.get(field)]


def key_label(key_type: str) -> str:
    """A key's kind in words; keys from elsewhere may be of kinds that we do not make."""
    return KeyType(key_type).label if key_type in set(KeyType) else key_type


def file_stem(row: Certificate | CertificateRequest) -> str:
    """A name for files about it: its first name in letters that every system takes."""
    names: list[str] = row.names
    name = names[0].lower().replace("*", "wildcard") if names else ""
    return _UNSAFE.sub("-", name)[:LONGEST_STEM].strip("-.") or "certificate"
