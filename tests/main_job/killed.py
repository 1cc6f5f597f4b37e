"""Issues for the default gateway and dies after the N-th signed request: `… killed N`.

The CA has carried the request out and its answer is not stored yet: the worst moment to die.
Exit status 9 when it died like that, 0 when the issuance ended before.
"""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_admin.settings")

import django

django.setup()

from django.utils import timezone

from certificates import issuing
from certificates.authority.transport import Answer, Transport
from certificates.models import Gateway, Trigger


def main(dies_after: int) -> None:
    """Advance the issuance until then."""
    sent = 0
    send = Transport.send

    def counted(self: Transport, method: str, *arguments: Any) -> Answer:
        nonlocal sent
        answer = send(self, method, *arguments)
        sent += method == "POST"
        if sent == dies_after:
            os._exit(9)
        return answer

    Transport.send = counted  # type: ignore[method-assign]
    gateway = Gateway.objects.get()
    issuance = issuing.request(gateway, trigger=Trigger.MANUAL, now=timezone.now())
    issuing.advance(issuance.pk)


if __name__ == "__main__":
    main(int(sys.argv[1]))
