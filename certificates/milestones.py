"""Names for the moments of an issuance at which a crash would matter.

Passing one does nothing. A test program may install an ``observer``, to end the process there;
nothing else can, neither a setting nor a variable of the environment.
"""

from __future__ import annotations

from collections.abc import Callable

# All in the order in which an issuance passes them, once each. Those of an order come twice, as
# "staging:order-prepared" and "production:order-prepared"; an account is registered only once.
BEFORE = ("requested", "claimed", "preflight-done", "preflight-stored")
OF_ORDER = (
    "account-prepared",
    "order-prepared",
    "registration-answered",
    "account-registered",
    "new-order-counted",
    "new-order-answered",
    "order-stored",
    "authorizations-read",
    "tokens-published",
    "challenges-answered",
    "answers-stored",
    "order-ready",
    "handed-over",
    "finalize-answered",
    "order-valid",
    "chain-downloaded",
)
BETWEEN = ("staging-test-stored",)
AFTER = ("certificate-stored", "files-written", "files-in-use", "installed")
# Only where the staging CA trusts an earlier validation.
BESIDE = ("staging:validations-given-up",)
ALL = (
    *BEFORE,
    *(f"staging:{name}" for name in OF_ORDER),
    *BETWEEN,
    *(f"production:{name}" for name in OF_ORDER),
    *AFTER,
)


def _pass_by(_name: str) -> None:
    """In production a milestone is a name and nothing more."""


observer: Callable[[str], None] = _pass_by


def reached(name: str) -> None:
    """Say that the milestone has been reached."""
    observer(name)
