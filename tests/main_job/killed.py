"""Workers that are killed at a milestone, and those that come after them.

One command on each line of standard input, one answer on each of standard output, as JSON. Every
worker is a process forked from this one: it dies by a real SIGKILL and takes its memory with it,
and the next one need not wait for Python to start.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_admin.settings")

import django

django.setup()

from django.db import connections
from django.utils import timezone

from certificates import accounts, issuing, milestones, preparing, requesting, store, tasks
from certificates.models import (
    Account,
    Backoff,
    Certificate,
    Gateway,
    Issuance,
    LimitUse,
    Order,
    Stage,
    StageState,
    Trigger,
)
from certificates.policy.names import identifier_set
from challenges.domains import registered_domain
from challenges.models import ChallengeListener, ChallengeToken
from challenges.problems import ProblemError

LONG_AGO = "2001-01-01T00:00:00Z"
STANDARD_OUTPUT, STANDARD_ERROR = 1, 2
PATIENCE = 30.0  # seconds that one worker may take
# What a worker says of itself when it ends alive.
ENDED, WAITS, FAULT = 0, 3, 4


@dataclasses.dataclass(frozen=True)
class Worked:
    """How a worker ended: the signal that killed it, or 0 and its exit status."""

    signal: int
    status: int
    milestones: list[str]
    seconds: float


@dataclasses.dataclass(frozen=True)
class Report:
    """What the database says of a gateway, and of all that was not there before it.

    ``held_back_for`` is how long no automatic attempt is made after a failed one, in seconds.
    """

    state: str
    problem: str
    issuances: int
    certificates: int
    unfinished_stages: int
    has_its_files: bool
    tokens: int
    accounts: int
    unopened: list[str]
    uses: dict[str, int]
    held_back_for: float


def new_gateway(slug: str, *, new_accounts: bool = False) -> None:
    """A gateway with two names and nothing yet; an empty ledger; if wanted no account either."""
    if new_accounts:
        Order.objects.all().delete()
        Account.objects.all().delete()
    LimitUse.objects.all().delete()
    Gateway.objects.create(
        slug=slug,
        hostname=f"mail.{slug}.test",
        additional_hostnames=[f"imap.{slug}.test"],
        contact_email="postmaster@example.com",
        terms_of_service_url="https://ca.example.test/terms",
        terms_agreed_at=timezone.now(),
    )


def work(
    slug: str,
    *,
    trigger: str,
    dies_at: Sequence[str] = (),
    dies_after: float = 0.0,
    takes_along: Sequence[int] = (),
    patience: float = PATIENCE,
) -> Worked:
    """A worker asks for a certificate, if there is a trigger, and advances until it ends or dies.

    It dies at the first of the milestones, or after so many seconds, and so do these process
    groups at the same moment. When it would have to wait for longer than ``patience``, in seconds,
    it ends and leaves the rest to others.
    """
    began = time.monotonic()
    connections.close_all()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_worker(slug, trigger, writing, dies_at, takes_along, patience)
    os.close(writing)
    if dies_after:
        time.sleep(dies_after)
        # Not waited for yet, so that the number is still its own.
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(reading) as passed:
        seen = passed.read().split()
    status = os.waitpid(pid, 0)[1]
    return Worked(
        signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        status=os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0,
        milestones=seen,
        seconds=time.monotonic() - began,
    )


def request(slug: str) -> None:
    """Ask for a certificate and tell the product's own worker."""
    gateway = Gateway.objects.get(slug=slug)
    issuance = requesting.request(gateway, trigger=Trigger.MANUAL, now=timezone.now())
    tasks.enqueue_advance(issuance.pk)


def let_the_lease_run_out(slug: str) -> None:
    """What 45 seconds would do."""
    Issuance.objects.filter(gateway__slug=slug, lease_expires_at__isnull=False).update(
        lease_expires_at=LONG_AGO
    )


def give_the_lease_back(slug: str) -> None:
    """As if the worker had not died over a step but between two."""
    Issuance.objects.filter(gateway__slug=slug).update(lease_owner="", lease_expires_at=None)


def set_order(slug: str, environment: str, **fields: Any) -> int:
    """Have our row lag behind the CA; returns how many orders were changed."""
    orders = Order.objects.filter(issuance__gateway__slug=slug, environment=environment)
    return orders.exclude(status="invalid").update(**fields)


def responder_started_at() -> float:
    """When the responder was started that has shown life last, as time.time() counts; else 0."""
    row = ChallengeListener.newest()
    return row.started_at.timestamp() if row else 0.0


def report(slug: str) -> Report:
    """What became of the gateway."""
    gateway = Gateway.objects.get(slug=slug)
    issuance = Issuance.objects.filter(gateway=gateway).first()
    problem = issuance.problem_facts if issuance else None
    certificate = gateway.selected_certificate
    return Report(
        state=issuance.state if issuance else "",
        problem=problem["code"] if problem else "",
        issuances=Issuance.objects.filter(gateway=gateway).count(),
        certificates=Certificate.objects.filter(gateway=gateway).count(),
        unfinished_stages=Stage.objects.filter(issuance__gateway=gateway)
        .exclude(state=StageState.DONE)
        .count(),
        has_its_files=certificate is not None and store.is_live(gateway, certificate),
        tokens=_tokens(gateway),
        accounts=Account.objects.exclude(url="").count(),
        unopened=list(_unopened(gateway)),
        uses=_uses(),
        held_back_for=_held_back_for(gateway),
    )


def _be_worker(
    slug: str,
    trigger: str,
    writing: int,
    dies_at: Sequence[str],
    takes_along: Sequence[int],
    patience: float,
) -> NoReturn:
    def observe(name: str) -> None:
        os.write(writing, f"{name}\n".encode())
        if name in dies_at:
            for group in takes_along:
                os.killpg(group, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

    milestones.observer = observe
    # A step that never ends must not keep whoever waits for this process.
    signal.alarm(int(patience) + 30)
    status = FAULT
    try:
        status = _advance(Gateway.objects.get(slug=slug), trigger, patience)
    except BaseException:
        # Never back into the parent's loop, where this process would read its commands.
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(status)


def _advance(gateway: Gateway, trigger: str, patience: float) -> int:
    """What the sweep and the task do between them."""
    if trigger:
        requesting.request(gateway, trigger=Trigger(trigger), now=timezone.now())
    deadline = time.monotonic() + patience
    while issuance := requesting.live_issuance(gateway):
        wait = issuing.advance(issuance.pk)
        pause = wait.total_seconds() if wait is not None else 0.02
        if time.monotonic() + pause > deadline:
            return WAITS
        time.sleep(pause)
    return ENDED


def _unopened(gateway: Gateway) -> Iterator[str]:
    """The sealed keys that do not open, of whatever kind."""
    sealed: list[tuple[Iterable[Any], Callable[[Any], object]]] = [
        (Account.objects.all(), accounts.connection),
        (Order.objects.filter(issuance__gateway=gateway), preparing.key_of),
        (Certificate.objects.filter(gateway=gateway), store.private_key),
    ]
    for rows, opened in sealed:
        for row in rows:
            try:
                opened(row)
            except ProblemError as error:
                yield f"{row!r}: {error}"


def _tokens(gateway: Gateway) -> int:
    """How many of the gateway's challenges are still answered."""
    orders = Order.objects.filter(issuance__gateway=gateway)
    published = [token for order in orders for token in order.challenge_tokens]
    return ChallengeToken.objects.filter(token__in=published).count()


def _held_back_for(gateway: Gateway) -> float:
    row = Backoff.objects.filter(identifier_set=identifier_set(gateway.names)).first()
    return (row.not_before - timezone.now()).total_seconds() if row else 0.0


def _uses() -> dict[str, int]:
    """The ledger, by directory and limit."""
    rows = LimitUse.objects.values_list("directory_url", "limit")
    return dict(Counter(f"{url} {limit}" for url, limit in rows))


ACTIONS: dict[str, Callable[..., Any]] = {
    action.__name__: action
    for action in (
        new_gateway,
        work,
        request,
        let_the_lease_run_out,
        give_the_lease_back,
        set_order,
        responder_started_at,
        report,
    )
}


def main() -> None:
    """Do what each line says, until there is none."""
    # Every worker needs the list of public suffixes; read here, it is read once.
    registered_domain("gateway.test")
    # The product's own log goes where it does not mix with the answers.
    answers = os.fdopen(os.dup(STANDARD_OUTPUT), "w")
    os.dup2(STANDARD_ERROR, STANDARD_OUTPUT)
    for line in sys.stdin:
        command = json.loads(line)
        answer = ACTIONS[command.pop("action")](**command)
        if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
            answer = dataclasses.asdict(answer)
        answers.write(f"{json.dumps(answer)}\n")
        answers.flush()


if __name__ == "__main__":
    main()
