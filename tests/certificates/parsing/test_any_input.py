"""Whatever is uploaded: a certificate whose key fits, or one sentence. Nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings

from certificates import keys
from certificates.parsing import messages
from tests.certificates.parsing.inputs import uploads
from tests.certificates.parsing.reader import outcome, read


@pytest.mark.timeout(7200)
def test_any_upload_is_read_right_or_refused_in_one_sentence(
    repetitions: Callable[[int, int], int],
) -> None:
    @settings(max_examples=repetitions(150, 10_000), deadline=None)
    @given(uploads())
    def check(upload: tuple[list[bytes], str | None]) -> None:
        found = outcome(read, *upload)
        assert messages.outcome(messages.answer(found)) == found
        if isinstance(found, messages.ImportedCertificate):
            assert found.key_der is not None
            public_key = keys.load_der(found.key_der).public_key()
            assert keys.spki_sha256(public_key) == found.chain.spki_sha256

    check()
