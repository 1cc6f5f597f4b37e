"""How strangers' words are made fit for a Problem."""

from __future__ import annotations

from challenges.problems import legible, legible_line


def test_legible_text_keeps_its_letters_and_lines() -> None:
    assert legible("Grüße\nan 東京\t\r\0\x1b\u202e\ud800", 100) == "Grüße\nan 東京" + "\ufffd" * 6
    assert legible("abc", 2) == "ab"


def test_a_legible_line_is_one_line() -> None:
    assert legible_line(" a\nb\r\n\tc\u2028d\x85e\x1b[2J\u202e ", 100) == "a b c d e\ufffd[2J\ufffd"
    assert legible_line("a\nbc", 3) == "a b"
