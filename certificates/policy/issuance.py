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


STAGES = (State.PREFLIGHT, State.STAGING_TEST, State.PRODUCTION, State.INSTALLING)
TERMINAL = frozenset({State.DONE, State.FAILED, State.CANCELLED})

_NEXT = {
    State.WAITING: State.PREFLIGHT,
    State.PREFLIGHT: State.STAGING_TEST,
    State.STAGING_TEST: State.PRODUCTION,
    State.PRODUCTION: State.INSTALLING,
    State.INSTALLING: State.DONE,
}


def following(state: State) -> State:
    """The state after a success. Raises ValueError for a terminal state."""
    if state.is_terminal:
        raise ValueError(f"nothing follows {state}")
    return _NEXT[state]


def may_follow(state: State, successor: State) -> bool:
    """Whether a row may move from one state to the other: one step on, or to an end."""
    if state.is_terminal:
        return False
    return successor in {_NEXT[state], State.FAILED, State.CANCELLED}


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
