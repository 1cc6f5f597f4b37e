"""The states of an issuance, which may follow which, and the words for them."""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    """Where an issuance is. Waiting for a retry is a time in the row, not a state."""

    WAITING = "waiting"
    PREFLIGHT = "preflight"
    STAGING_TEST = "staging_test"
    PRODUCTION = "production"
    INSTALLING = "installing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def label(self) -> str:
        """The words on the screen."""
        return self.value.replace("_", " ").capitalize()

    @property
    def is_terminal(self) -> bool:
        """Whether nothing follows."""
        return self in TERMINAL

    @property
    def is_stage(self) -> bool:
        """Whether work is done in it, so that it is shown with its own times."""
        return self in STAGES


class Course(enum.StrEnum):
    """Which stages an issuance goes through."""

    TESTED = "tested"
    DIRECT = "direct"
    REHEARSAL = "rehearsal"


STAGES = (State.PREFLIGHT, State.STAGING_TEST, State.PRODUCTION, State.INSTALLING)
TERMINAL = frozenset({State.DONE, State.FAILED, State.CANCELLED})

_COURSES = {
    Course.TESTED: STAGES,
    # A renewal of what has worked before: its first attempt need not be tested.
    Course.DIRECT: (State.PRODUCTION, State.INSTALLING),
    Course.REHEARSAL: (State.PREFLIGHT, State.STAGING_TEST),
}


def stages(course: Course) -> tuple[State, ...]:
    """The stages of a course in their order."""
    return _COURSES[course]


def following(state: State, course: Course = Course.TESTED) -> State:
    """The state after a success. Raises ValueError for a terminal state, or one off the course."""
    way = (State.WAITING, *stages(course), State.DONE)
    if state not in way[:-1]:
        raise ValueError(f"nothing follows {state}")
    return way[way.index(state) + 1]


def may_follow(state: State, successor: State, course: Course = Course.TESTED) -> bool:
    """Whether a row may move from one state to the other: one step on, or to an end."""
    if state.is_terminal:
        return False
    return successor in {following(state, course), State.FAILED, State.CANCELLED}


def may_cancel(state: State, *, is_being_issued: bool) -> bool:
    """Whether an issuance can still be given up without losing a certificate.

    ``is_being_issued``: the production CA has been handed the certificate request, so what it
    issues is stored and put to use rather than thrown away.
    """
    return not (state.is_terminal or state is State.INSTALLING or is_being_issued)


class Environment(enum.StrEnum):
    """Which of the CA's two directories. Their accounts, orders and chains never mix."""

    STAGING = "staging"
    PRODUCTION = "production"


def environment_of(state: State) -> Environment | None:
    """The directory that a state's order belongs to; None where there is no order."""
    match state:
        case State.STAGING_TEST:
            return Environment.STAGING
        case State.PRODUCTION:
            return Environment.PRODUCTION
        case _:
            return None


def environments(course: Course) -> tuple[Environment, ...]:
    """The directories that a course asks, in their order."""
    return tuple(filter(None, (environment_of(state) for state in stages(course))))
