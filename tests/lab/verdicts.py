"""What a real CA says of names at this moment: an order, HTTP-01, and the verdict.

Runs beside the CA as `python -m tests.lab.verdicts SOCKET DIRECTORY BUNDLE`, so that no fault of
the gateway's own way to the CA changes what the CA sees of the gateway.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from josepy.json_util import encode_b64jose

from tests.lab.remote import serve
from tests.parts.bare_acme import BareAcme
from tests.parts.processes import wait_until

# Longer than a validation can take.
FINAL_WITHIN = 30.0


class Judge(BareAcme):
    """An ACME client that leaves it to others to publish the tokens."""

    def __init__(self, directory_url: str, bundle: Path) -> None:
        super().__init__(directory_url, bundle)
        self._directory: dict[str, Any] = {}
        self._authorizations: list[str] = []
        self._challenges: dict[str, str] = {}

    @property
    def directory(self) -> dict[str, Any]:
        """As it was when it was first asked for."""
        self._directory = self._directory or super().directory
        return self._directory

    def order(self, names: list[str]) -> dict[str, str]:
        """Place an order; the key authorizations to be published, by token."""
        # Told to reuse none, Pebble still reuses about one valid authorization in a hundred.
        while not all(each["status"] == "pending" for each in self._placed(names)):
            pass
        thumbprint = encode_b64jose(self._key.thumbprint())
        return {token: f"{token}.{thumbprint}" for token in self._challenges}

    def _placed(self, names: list[str]) -> list[dict[str, Any]]:
        placed = self.new_order(*names)
        assert placed.ok, placed.text
        self._authorizations = placed.json()["authorizations"]
        found = [self.post(url).json() for url in self._authorizations]
        self._challenges = {
            challenge["token"]: challenge["url"]
            for authorization in found
            for challenge in authorization["challenges"]
            if challenge["type"] == "http-01"
        }
        return found

    def verdict(self) -> dict[str, Any]:
        """Have the order validated; the CA's problem document for each name that fails, by name."""
        for url in self._challenges.values():
            answer = self.post(url, {})
            assert answer.ok, answer.text
        failures: dict[str, Any] = {}
        for url in self._authorizations:
            authorization = self._final(url)
            if authorization["status"] != "valid":
                error = next(c["error"] for c in authorization["challenges"] if "error" in c)
                failures[authorization["identifier"]["value"]] = error
        return failures

    def _final(self, url: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def is_final() -> bool:
            found.update(self.post(url).json())
            return bool(found["status"] != "pending")

        wait_until(is_final, "The authorization is final", timeout=FINAL_WITHIN, every=0.05)
        return found


def main(path: str, directory_url: str, bundle: str) -> None:
    """Serve until killed."""
    with Judge(directory_url, Path(bundle)) as judge:
        judge.register()
        serve(Path(path), {"order": judge.order, "verdict": judge.verdict})


if __name__ == "__main__":
    main(*sys.argv[1:])
