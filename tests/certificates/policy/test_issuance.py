from __future__ import annotations

import itertools

import pytest

from certificates.policy.issuance import (
    STAGES,
    TERMINAL,
    Course,
    Environment,
    State,
    environment_of,
    following,
    may_cancel,
    may_follow,
    stages,
)

ORDER = [
    State.WAITING,
    State.PREFLIGHT,
    State.STAGING_TEST,
    State.PRODUCTION,
    State.INSTALLING,
    State.DONE,
]
ALLOWED = {
    *itertools.pairwise(ORDER),
    *((state, end) for state in ORDER[:-1] for end in (State.FAILED, State.CANCELLED)),
}


@pytest.mark.parametrize(("state", "successor"), list(itertools.product(State, State)))
def test_only_one_step_on_or_an_end_may_follow(state: State, successor: State) -> None:
    assert may_follow(state, successor) == ((state, successor) in ALLOWED)


def path_of(course: Course) -> list[State]:
    path = [State.WAITING]
    while not path[-1].is_terminal:
        path.append(following(path[-1], course))
    return path


def test_success_leads_from_waiting_through_every_stage_to_done() -> None:
    assert path_of(Course.TESTED) == ORDER


@pytest.mark.parametrize("course", Course)
def test_every_course_leads_through_its_stages_alone(course: Course) -> None:
    assert path_of(course) == [State.WAITING, *stages(course), State.DONE]
    off_the_course = set(STAGES) - set(stages(course))
    for state in off_the_course:
        with pytest.raises(ValueError, match=state.value):
            following(state, course)


def test_a_direct_renewal_goes_to_production_at_once() -> None:
    assert stages(Course.DIRECT) == (State.PRODUCTION, State.INSTALLING)


def test_a_rehearsal_can_never_come_to_production() -> None:
    assert State.PRODUCTION not in path_of(Course.REHEARSAL)
    for state in path_of(Course.REHEARSAL)[:-1]:
        assert not may_follow(state, State.PRODUCTION, Course.REHEARSAL)


@pytest.mark.parametrize("is_being_issued", [False, True])
@pytest.mark.parametrize("state", State)
def test_what_may_be_cancelled_loses_no_certificate(state: State, is_being_issued: bool) -> None:
    early = {State.WAITING, State.PREFLIGHT, State.STAGING_TEST, State.PRODUCTION}
    assert may_cancel(state, is_being_issued=is_being_issued) == (
        state in early and not is_being_issued
    )


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.CANCELLED])
def test_nothing_follows_an_end(state: State) -> None:
    assert state.is_terminal
    with pytest.raises(ValueError, match=state.value):
        following(state)


def test_production_is_reached_from_the_staging_test_alone() -> None:
    assert [state for state in State if may_follow(state, State.PRODUCTION)] == [State.STAGING_TEST]


def test_each_state_is_waiting_a_stage_or_an_end() -> None:
    assert {State.WAITING, *STAGES, *TERMINAL} == set(State)
    assert [state for state in State if state.is_stage] == list(STAGES)


def test_each_environment_belongs_to_one_state() -> None:
    assert {state: environment_of(state) for state in State if environment_of(state)} == {
        State.STAGING_TEST: Environment.STAGING,
        State.PRODUCTION: Environment.PRODUCTION,
    }


def test_the_labels_are_the_words_on_the_screen() -> None:
    assert [state.label for state in ORDER] == [
        "Waiting",
        "Preflight",
        "Staging test",
        "Production",
        "Installing",
        "Done",
    ]
