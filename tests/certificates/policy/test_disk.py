from __future__ import annotations

import pytest

from certificates.policy.disk import LEAST_BYTES, LEAST_FILES, Space, not_writable, shortage

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("free_bytes", "free_files", "read_only", "code"),
    [
        (LEAST_BYTES, LEAST_FILES, False, None),
        (LEAST_BYTES, None, False, None),
        (LEAST_BYTES - 1, LEAST_FILES, False, "disk-full"),
        (0, None, False, "disk-full"),
        (LEAST_BYTES, LEAST_FILES - 1, False, "disk-full"),
        (10**12, 0, False, "disk-full"),
        (10**12, 10**6, True, "data-directory-not-writable"),
        # Read-only comes first: making room would not help.
        (0, 0, True, "data-directory-not-writable"),
    ],
)
def test_an_issuance_needs_room_for_bytes_and_files(
    free_bytes: int, free_files: int | None, read_only: bool, code: str | None
) -> None:
    problem = shortage(Space("/var/lib/x", free_bytes, free_files, read_only))
    assert (problem.code if problem else None) == code
    if problem:
        assert problem.retryable
        assert "/var/lib/x" in problem.explanation
        assert any("/var/lib/x" in step for step in problem.remedy)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (Space("/d", 3 * MIB), "has 3 MiB free, and 16 MiB are needed."),
        (Space("/d", 3 * MIB + 100_000), "has 3.1 MiB free, and 16 MiB are needed."),
        (Space("/d", 99 * MIB, 7), "has room for 7 more files, and 64 are needed."),
    ],
)
def test_the_sentence_says_what_is_free_and_what_is_needed(space: Space, words: str) -> None:
    problem = shortage(space)
    assert problem is not None
    assert words in problem.explanation


def test_the_operating_systems_own_word_is_the_reason() -> None:
    problem = not_writable("/d", "Permission denied")
    assert "the data directory /d: Permission denied." in problem.explanation
