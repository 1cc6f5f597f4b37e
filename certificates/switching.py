"""A change of what a gateway uses: its row and the files in use are one, whatever fails."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from django.db import transaction

from certificates import store
from certificates.models import Gateway
from challenges.problems import ProblemError

logger = logging.getLogger("gateway_admin.deploying")


class _Switch:
    """Which files were in use at the beginning of a transaction, and which at its end."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.before = self.after = store.in_use(gateway)

    def note(self) -> None:
        """The transaction is about to end."""
        with contextlib.suppress(ProblemError):
            self.after = store.in_use(self.gateway)

    def undo(self) -> None:
        """The transaction failed."""
        if self.after == self.before:
            return
        try:
            # The row is no longer locked: what somebody else has put into use meanwhile stays.
            if store.in_use(self.gateway) == self.after:
                store.go_back(self.gateway, self.before)
        except ProblemError as error:
            # The next repair makes the files what the row says.
            logger.warning("%s", error.problem.explanation)


@contextlib.contextmanager
def changing(pk: int) -> Iterator[Gateway]:
    """A transaction that holds the gateway's row, and that the files in use follow.

    Whatever makes it fail, the commit included, the files in use are then again those before,
    which are the row's. May be used inside of itself; the outermost one knows of the commit.
    """
    switch: _Switch | None = None
    try:
        with transaction.atomic():
            row = Gateway.objects.select_for_update().get(pk=pk)
            switch = _Switch(row)
            try:
                yield row
            finally:
                switch.note()
    except BaseException:
        if switch is not None:
            switch.undo()
        raise
