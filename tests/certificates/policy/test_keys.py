from __future__ import annotations

from certificates.policy.keys import KeyType


def test_the_labels_are_those_of_the_form() -> None:
    assert [key_type.label for key_type in KeyType] == [
        "ECDSA P-256",
        "ECDSA P-384",
        "RSA 2048",
        "RSA 3072",
        "RSA 4096",
    ]
