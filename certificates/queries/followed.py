"""The files that a gateway's certificate follows, and whether any may be followed at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from certificates import versions, watched_files
from certificates.models import FollowedFiles, Gateway
from certificates.policy import selecting
from challenges.problems import Problem


@dataclasses.dataclass(frozen=True, slots=True)
class Followed:
    """``directories`` are those that the machine's owner allows; ``files`` what is followed.

    ``problem`` is why what is in the files now cannot be used; ``is_used`` that the gateway uses
    what came from them, and so what comes next.
    """

    directories: tuple[str, ...]
    files: FollowedFiles | None = None
    problem: Problem | None = None
    is_used: bool = False

    @property
    def is_possible(self) -> bool:
        """Whether the owner allows any files to be followed."""
        return bool(self.directories)


def followed(gateway: Gateway) -> Followed:
    """What the gateway follows. One query for the row unless it was selected with the gateway,
    and one where another certificate is in use than the newest from the files."""
    directories = tuple(str(directory) for directory in watched_files.bounds().allowed)
    files: FollowedFiles | None = getattr(gateway, "followed_files", None)
    return Followed(directories, files, followed_problem(files), gateway.pk in users([gateway]))


def users(gateways: Iterable[Gateway]) -> frozenset[int]:
    """Which of them use what they follow. One query where any may use an older version of it."""
    in_question = {row.pk: both for row in gateways if (both := _selected_and_followed(row))}
    differ = [pk for pk, (selected, newest) in in_question.items() if selected != newest]
    lines = versions.lines(differ) if differ else versions.Lines({}, {})
    return frozenset(
        pk
        for pk, (selected, newest) in in_question.items()
        if selecting.takes_over(selected, lines.of(newest))
    )


def _selected_and_followed(gateway: Gateway) -> tuple[int, int] | None:
    """The certificate in use and the newest from the files; None where there is but one."""
    files: FollowedFiles | None = getattr(gateway, "followed_files", None)
    selected, newest = gateway.selected_certificate_id, files.certificate_id if files else None
    return (selected, newest) if selected is not None and newest is not None else None


def followed_problem(files: FollowedFiles | None) -> Problem | None:
    """Why what is in the files now cannot be used; None without any or when it can."""
    facts = files.problem_facts if files is not None else None
    return Problem.from_json(facts) if facts else None
