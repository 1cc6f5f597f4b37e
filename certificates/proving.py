"""Proves control of an order's names (RFC 8555 §7.5.1, §8.3): tokens first, then the CA is told."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from certificates import abandoning, authority
from certificates.conversation import Conversation, Progress
from certificates.policy import retry
from certificates.policy.issuance import Environment
from certificates.policy.refusal import is_passing
from challenges import tokens

DEFAULT_TOKEN_LIFETIME = datetime.timedelta(days=7)


def prove(conversation: Conversation) -> Progress:
    """Publish every token, durably, before the CA is told to look for it."""
    order = conversation.order
    pending, earlier = [], []
    for url in order.authorization_urls:
        answer = _authorization(conversation, url)
        if answer.status == "pending" and answer.challenge is not None:
            pending.append((answer, answer.challenge))
        elif answer.status == "valid":
            earlier.append(url)
        else:
            raise abandoning.refused(conversation.order, answer)
    conversation.reached("authorizations-read")
    if earlier and proves_every_name(conversation):
        return validate_anew(conversation, earlier)
    _publish(conversation, pending)
    conversation.reached("tokens-published")
    for _, challenge in pending:
        if challenge.status == "pending":
            _answer(conversation, challenge)
    conversation.reached("challenges-answered")
    order.challenges_answered = True
    conversation.lease.confirm()
    order.save(update_fields=["challenges_answered"])
    conversation.reached("answers-stored")
    return Progress(wait=retry.poll_delay(0))


def validate_anew(conversation: Conversation, urls: Iterable[str]) -> Progress:
    """Give earlier validations up (RFC 8555 §7.5.2) and order again, once.

    A CA that does not let go of them has its way: then the test tests the rest.
    """
    for url in urls:
        conversation.lease.keep()
        try:
            conversation.ca.deactivate_authorization(url)
        except authority.AcmeError as error:
            if is_passing(error.problem):
                raise
            conversation.memory.is_validated_anew = True
            return Progress()
        conversation.memory.answers += 1
    conversation.memory.is_validated_anew = True
    conversation.reached("validations-given-up")
    conversation.lease.confirm()
    abandoning.give_up(conversation.order)
    return Progress()


def proves_every_name(conversation: Conversation) -> bool:
    """Whether this is a test that must not lean on what was valid before it began.

    A token is published before its challenge is answered: once there is one, what is valid may
    have become so by this order.
    """
    return (
        conversation.order.environment == Environment.STAGING
        and not conversation.order.challenge_tokens
        and not conversation.memory.is_validated_anew
    )


def _authorization(conversation: Conversation, url: str) -> authority.AuthorizationAnswer:
    """Asked for once by each worker, so that a CA in trouble is not asked for all again."""
    known = conversation.memory.authorizations.get(url)
    if known is None:
        conversation.lease.keep()
        known = conversation.ca.authorization(url, conversation.names)
        conversation.memory.authorizations[url] = known
        conversation.memory.answers += 1
    return known


def _answer(conversation: Conversation, challenge: authority.Challenge) -> None:
    if challenge.url in conversation.memory.answered:
        return
    conversation.lease.keep()
    try:
        conversation.ca.answer(challenge.url)
    except authority.AcmeError as error:
        # The CA may have heard the first time and only its answer was lost; then it refuses
        # a second one, and the authorization says what became of it.
        if error.problem.type not in {"malformed", "unauthorized"}:
            raise
    conversation.memory.answered.add(challenge.url)
    conversation.memory.answers += 1


def _publish(
    conversation: Conversation,
    pending: list[tuple[authority.AuthorizationAnswer, authority.Challenge]],
) -> None:
    now = timezone.now()
    fresh = [pair for pair in pending if pair[1].token not in conversation.order.challenge_tokens]
    with transaction.atomic():
        for answer, challenge in pending:
            tokens.publish(
                challenge.token,
                challenge.key_authorization,
                now=now,
                lifetime=_lifetime(answer, now),
            )
        conversation.order.challenge_tokens.extend(challenge.token for _, challenge in fresh)
        conversation.lease.confirm()
        conversation.order.save(update_fields=["challenge_tokens"])


def _lifetime(answer: authority.AuthorizationAnswer, now: datetime.datetime) -> datetime.timedelta:
    """Until the authorization ends: a CA may come back for the token as long as it is pending."""
    if answer.expires_at is None or answer.expires_at <= now:
        return DEFAULT_TOKEN_LIFETIME
    return min(answer.expires_at - now, DEFAULT_TOKEN_LIFETIME)
