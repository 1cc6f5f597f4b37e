"""How strangers' words are made fit for a Problem."""

from __future__ import annotations

from challenges.problems import legible


def test_legible_text_keeps_its_letters_and_lines() -> None:
    assert legible("Grüße\nan 東京\t\r\0\x1b\u202e\ud800", 100) == "Grüße\nan 東京" + "\ufffd" * 6
    assert legible("abc", 2) == "ab"
