"""The process that reads uploads: limits itself, reads one question, writes one answer, ends.

Started by certificates/importing.py as a script, isolated (python -I) and with no environment.
Nothing that takes part in reading may be imported before the limits hold.
"""

from __future__ import annotations

import resource
import sys
from pathlib import PurePath

CPU_SECONDS = 2
MEMORY = 256 * 1024 * 1024  # bytes of address space
_DESCRIPTORS = 16


def limit() -> None:
    """From here on this process can spend little, write no file and leave no core behind."""
    for what, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS, _DESCRIPTORS),
        (resource.RLIMIT_AS, MEMORY, MEMORY),
        # The signal at the soft limit ends the process; the hard one is for the unforeseen.
        (resource.RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS + 1),
    ):
        resource.setrlimit(what, (soft, hard))


def main() -> None:
    """Answer the question on standard input."""
    raw = sys.stdin.buffer.read()
    try:
        question = messages.Question.from_bytes(raw)
        found: messages.ImportedCertificate | Problem = reading.read(
            question.files, question.password, question.known_keys, question.now
        )
    except ProblemError as error:
        found = error.problem
    except MemoryError:
        found = refusals.TOO_COSTLY
    except BaseException as error:  # a panic of the library is no Exception
        # Its name alone: the text of an exception may quote what was read.
        found = dataclasses.replace(refusals.NOT_READ, detail=type(error).__name__)
    sys.stdout.buffer.write(messages.answer(found))


if __name__ == "__main__":
    limit()
    sys.path.insert(0, str(PurePath(__file__).parents[2]))

    import dataclasses

    from certificates.parsing import messages, reading, refusals
    from challenges.problems import Problem, ProblemError

    main()
