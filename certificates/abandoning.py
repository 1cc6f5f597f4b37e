"""Gives ACME orders up that have come to nothing, and says whether another is worth a try."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from certificates import accounts, authority, budget, evidence
from certificates.models import Order, OrderStatus
from certificates.policy.acme_document import CaProblem
from certificates.policy.refusal import account_is_closed
from challenges import tokens
from challenges.models import ChallengeListener

# An authorization that has ended without a refusal (RFC 8555 §7.1.6): by us, by time, by the CA.
NOT_REFUSED = frozenset({"deactivated", "expired", "revoked"})
# What a CA may say when it did not get our answer to its challenge, or a part of it (§6.7).
UNANSWERED = frozenset({"connection", "unauthorized", "incorrectResponse", "serverInternal"})
# So many times one attempt begins its order anew where the CA loses it.
MOST_ANEW = 3


class OrderFailedError(Exception):
    """The CA has ended the order as invalid, and says why."""

    def __init__(self, problem: CaProblem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class OrderLostError(OrderFailedError):
    """The order has ended through nobody's refusal; the next step begins a new one.

    The CA has forgotten it or the account, it has expired, or nobody was there to answer the CA.
    """


def give_up(order: Order) -> None:
    """Nothing more comes of the order: its tokens are not answered any more."""
    with transaction.atomic():
        Order.objects.filter(pk=order.pk).update(status=OrderStatus.INVALID)
        withdraw_tokens(order)


def withdraw_tokens(order: Order) -> None:
    """Stop answering the order's challenges: its authorizations are final.

    What the challenge port has seen of the CA stays, and whether it could have seen all of it.
    """
    if not order.challenge_tokens:
        return
    now = timezone.now()
    with transaction.atomic():
        tokens.withdraw(*order.challenge_tokens)
        if order.tokens_withdrawn_at is None:
            order.tokens_withdrawn_at = now
            order.was_watched = evidence.is_watched_since(order.created_at, now)
            order.save(update_fields=["tokens_withdrawn_at", "was_watched"])


def if_forgotten(error: authority.AcmeError, order: Order) -> OrderFailedError | None:
    """Give the order up if the CA has forgotten it, or the account, as a rebuilt one would.

    The account's key stays the same, and is registered anew before the next use; that of an
    account that the CA has closed is replaced.
    """
    is_unknown = error.problem.type == "accountDoesNotExist"
    is_closed = account_is_closed(error.problem)
    if not is_unknown and not is_closed and not (order.url and error.problem.status == 404):
        return None
    give_up(order)
    if is_unknown:
        accounts.forget(order.account)
    elif is_closed:
        accounts.begin_anew(order.account)
    return lost(order, error.problem)


def refused(order: Order, answer: authority.AuthorizationAnswer) -> OrderFailedError:
    """Give the order up because one of its authorizations has ended without being valid."""
    with transaction.atomic():
        give_up(order)
        if answer.status == "invalid":
            budget.spend_failure(order, answer.identifier, timezone.now())
    problem = answer.problem or CaProblem("", _reason(answer), identifier=answer.identifier)
    if answer.status in NOT_REFUSED or _may_have_been_away(order, problem):
        return lost(order, problem)
    return OrderFailedError(problem)


def lost(order: Order, problem: CaProblem) -> OrderFailedError:
    """Lets a new order be placed, but not for ever where that is lost as well."""
    return (OrderLostError if _earlier(order).count() < MOST_ANEW else OrderFailedError)(problem)


def _may_have_been_away(order: Order, problem: CaProblem) -> bool:
    """Whether the CA may have come while the responder was down: worth one more order."""
    if problem.type not in UNANSWERED:
        return False
    # Any of several: the CA may have come to the one that was down.
    if not ChallengeListener.objects.filter(started_at__gt=order.created_at).exists():
        return False
    return not _earlier(order).exclude(challenge_tokens=[]).exists()


def _earlier(order: Order) -> QuerySet[Order]:
    """The orders of this attempt that have ended before."""
    return Order.objects.filter(
        issuance=order.issuance_id, environment=order.environment, status=OrderStatus.INVALID
    ).exclude(pk=order.pk)


def _reason(answer: authority.AuthorizationAnswer) -> str:
    if answer.challenge is None:
        return "the CA offers no HTTP-01 challenge for this name"
    return f"the authorization is {answer.status}"
