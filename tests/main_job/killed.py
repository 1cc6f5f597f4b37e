"""Issues for the default gateway and dies after the N-th signed request: `… killed N`.

The CA has carried the request out and its answer is not stored yet: the worst moment to die.
Exit status 9 when it died like that, 0 when the issuance ended before.
"""

from __future__ import annotations

import os
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_admin.settings")

import django

django.setup()

from django.utils import timezone

from certificates import issuing
from certificates.authority.transport import Answer, Transport
from certificates.models import Gateway, Issuance, Trigger


def main(dies_after: int) -> None:
    """Advance the issuance until then."""
    sent = 0
    send = Transport.send

    def counted(
        self: Transport,
        method: str,
        url: str,
        data: str | None = None,
        accept: str = "application/json",
    ) -> Answer:
        nonlocal sent
        answer = send(self, method, url, data, accept)
        sent += method == "POST"
        if sent == dies_after:
            os._exit(9)
        return answer

    Transport.send = counted  # type: ignore[method-assign]
    gateway = Gateway.objects.get()
    issuance = issuing.request(gateway, trigger=Trigger.MANUAL, now=timezone.now())
    while not Issuance.objects.get(pk=issuance.pk).is_terminal:
        issuing.advance(issuance.pk)
        # A slow machine makes the CA slow, and a longer wait is a time in the row.
        time.sleep(0.1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
