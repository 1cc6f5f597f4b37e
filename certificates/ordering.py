"""Advances one ACME order by one step, from what is stored and the CA's own answer.

The sealed key and the CSR are committed before newOrder, the order's URL right after it, and the
token before its challenge is answered; so whoever comes after a crash goes on from there.
"""

from __future__ import annotations

import datetime

from django.db import transaction
from django.utils import timezone

from certificates import (
    abandoning,
    accounts,
    authority,
    budget,
    directories,
    disk,
    pem,
    preparing,
    proving,
)
from certificates.conversation import Conversation, Memory, Progress
from certificates.leases import Lease
from certificates.models import Issuance, Order, OrderStatus
from certificates.policy import retry
from certificates.policy.acme_document import CaProblem
from certificates.policy.acme_problems import unusable_certificate
from certificates.policy.issuance import Environment
from certificates.policy.refusal import mentions_replaces
from certificates.preparing import csr_of
from challenges.problems import ProblemError

# An order's authorizations are looked at as well once it stays pending longer than usual: the
# order itself need not say why it does (RFC 8555 §7.1.6).
POLLS_BEFORE_LOOKING_CLOSER = 3
SECOND = datetime.timedelta(seconds=1)


def advance(issuance: Issuance, environment: Environment, lease: Lease, memory: Memory) -> Progress:
    """Do the next step of the issuance's order.

    Raises abandoning.OrderFailedError when the CA has ended it, abandoning.OrderLostError when it
    is to be begun anew, budget.HeldBackError when it has to wait, ProblemError for an unusable
    certificate, LeaseLostError, and what the authority raises.
    """
    order = _current(issuance, environment)
    with accounts.connection(order.account) as ca:
        lease.keep()
        try:
            return _Steps(order, ca, lease, memory, issuance.names).step()
        except authority.AcmeError as error:
            if forgotten := abandoning.if_forgotten(error, order):
                raise forgotten from error
            raise


def current_order(issuance: Issuance, environment: Environment) -> Order:
    """The order that is not invalid. Raises Order.DoesNotExist."""
    return (
        Order.objects.select_related("account")
        .exclude(status=OrderStatus.INVALID)
        .get(issuance=issuance, environment=environment)
    )


def _current(issuance: Issuance, environment: Environment) -> Order:
    try:
        return current_order(issuance, environment)
    except Order.DoesNotExist:
        return preparing.prepare(issuance, environment)


class _Steps(Conversation):
    """The steps of one order."""

    def step(self) -> Progress:
        """What the stored state asks for; after a crash the CA's word on the order comes first."""
        order = self.order
        if not order.account.url:
            return self._register()
        if not order.url:
            return self._place()
        if self.memory.is_resumed:
            progress = self._poll()
            self.memory.is_resumed = False
            return progress
        if self._would_skip_validation():
            return proving.validate_anew(self, order.authorization_urls)
        match OrderStatus(order.status):
            case OrderStatus.PENDING if not order.challenges_answered:
                return proving.prove(self)
            case OrderStatus.READY:
                return self._finalize()
            case OrderStatus.VALID:
                return Progress(chain=self._download())
            case _:
                return self._poll()

    def _register(self) -> Progress:
        account = self.order.account
        url = self.ca.register(account.contact_email)
        self.heard("registration-answered")
        accounts.registered(account, url)
        self.reached("account-registered")
        return Progress()

    def _place(self) -> Progress:
        """newOrder, if our own budget and the pace allow it."""
        order, now = self.order, timezone.now()
        offered = self.ca.directory()
        directory = directories.learn(offered, now)
        if slot := directories.order_slot(directory, now):
            return Progress(wait=slot - now)
        if order.environment == Environment.PRODUCTION:
            disk.require_space()
        budget.require_no_pause(order, self.names, now)
        self._do_without_profile(offered)
        budget.spend_order(order, self.names, now)
        self.reached("new-order-counted")
        answer = self._new_order()
        self.heard("new-order-answered")
        # It may have been prepared hours ago and have waited in line since.
        order.created_at = now
        progress = self._adopt(answer)
        directories.answered(directory, now)
        self.reached("order-stored")
        return progress

    def _do_without_profile(self, offered: authority.Directory) -> None:
        """The test does without a profile that staging does not offer; production may refuse it."""
        order = self.order
        is_test = order.environment == Environment.STAGING
        if is_test and order.profile and order.profile not in offered.profiles:
            order.profile = ""
            self.lease.confirm()
            order.save(update_fields=["profile"])

    def _new_order(self) -> authority.OrderAnswer:
        """With ``replaces`` where it is known; exactly once without, where the CA objects to it."""
        order = self.order
        try:
            return self.ca.new_order(self.names, profile=order.profile, replaces=order.replaces)
        except authority.AcmeError as error:
            if not order.replaces or not mentions_replaces(error.problem):
                raise
        self.memory.answers += 1
        order.replaces = ""
        self.lease.confirm()
        order.save(update_fields=["replaces"])
        return self.ca.new_order(self.names, profile=order.profile)

    def _would_skip_validation(self) -> bool:
        """Whether the staging CA trusts an earlier validation, so that the test tests nothing."""
        return self.order.status == OrderStatus.READY and proving.proves_every_name(self)

    def _finalize(self) -> Progress:
        order = self.order
        if order.environment == Environment.PRODUCTION:
            # What the CA certifies has to be stored, so there must be room before it does.
            disk.require_space()
        self._hand_over()
        self.reached("handed-over")
        try:
            answer = self.ca.finalize(order.url, order.finalize_url, csr_of(order), self.names)
        except authority.AcmeError as error:
            if error.problem.type != "orderNotReady":
                raise
        else:
            self.heard("finalize-answered")
            return self._adopt(answer)
        # It may have been finalized already and the answer lost, so what counts is the order.
        return self._poll()

    def _hand_over(self) -> None:
        """From now on nobody can cancel it: the CA may issue although its answer is lost."""
        if self.order.environment != Environment.PRODUCTION or self.order.is_handed_over:
            return
        with transaction.atomic():
            # A write, because it holds the row: whoever cancels comes before it or after it.
            self.lease.update(lease_expires_at=self.lease.expires_at)
            self.order.is_handed_over = True
            self.order.save(update_fields=["is_handed_over"])

    def _adopt(self, answer: authority.OrderAnswer) -> Progress:
        """Store what the CA says of the order, and when to look again."""
        order = self.order
        before = order.status
        order.polls = order.polls + 1 if answer.status == before else 0
        order.status = OrderStatus(answer.status)
        order.url = answer.url
        order.finalize_url = answer.finalize_url
        order.authorization_urls = list(answer.authorization_urls)
        order.certificate_url = answer.certificate_url
        order.expires_at = answer.expires_at
        with transaction.atomic():
            self.lease.confirm()
            order.save()
            if before == OrderStatus.PENDING != order.status:
                abandoning.withdraw_tokens(order)
            if order.status == OrderStatus.VALID != before:
                budget.spend_certificate(order, timezone.now())
        if order.status in {OrderStatus.READY, OrderStatus.VALID}:
            self.reached(f"order-{order.status}")
        return self._next(answer)

    def _next(self, answer: authority.OrderAnswer) -> Progress:
        order = self.order
        if order.status == OrderStatus.INVALID:
            problem = answer.problem or CaProblem("", "the order became invalid")
            if order.expires_at is not None and order.expires_at <= timezone.now():
                raise abandoning.lost(order, problem)
            raise abandoning.OrderFailedError(problem)
        if order.status == OrderStatus.PENDING and not order.challenges_answered:
            return Progress()
        is_unmoved = order.status == OrderStatus.READY and order.polls > 0
        if is_unmoved or order.status in {OrderStatus.PENDING, OrderStatus.PROCESSING}:
            return Progress(wait=self._pause(answer))
        return Progress()

    def _pause(self, answer: authority.OrderAnswer) -> datetime.timedelta:
        now = timezone.now()
        if now - self.order.created_at > retry.LONGEST_ORDER:
            raise abandoning.OrderFailedError(
                CaProblem("serverInternal", f"the order is still {answer.status} after an hour")
            )
        if answer.retry_after is not None:
            # A clock that is ahead would make a date of the CA's mean "at once", again and again.
            return max(answer.retry_after - now, min(retry.poll_delay(self.order.polls), SECOND))
        return retry.poll_delay(self.order.polls)

    def _poll(self) -> Progress:
        order = self.order
        looks_closer = order.polls > 0 and order.polls % POLLS_BEFORE_LOOKING_CLOSER == 0
        if order.status == OrderStatus.PENDING and looks_closer:
            self._raise_if_refused()
        answer = self.ca.order(order.url, self.names)
        if answer.status == OrderStatus.INVALID:
            self._raise_if_refused()
        progress = self._adopt(answer)
        # Only now: a poll whose second question fails has got no further than the one before it.
        self.memory.answers += 1
        return progress

    def _raise_if_refused(self) -> None:
        """The authorization says why a name failed; the order often does not."""
        for url in self.order.authorization_urls:
            self.lease.keep()
            answer = self.ca.authorization(url, self.names)
            if answer.status not in {"pending", "valid"}:
                raise abandoning.refused(self.order, answer)

    def _download(self) -> pem.ChainFacts:
        """The chain, once it is certain that it is what was ordered. Raises ProblemError."""
        text = self.ca.download(self.order.certificate_url)
        self.heard("chain-downloaded")
        try:
            return _checked(text, self.order, self.names)
        except ProblemError as error:
            # It is the CA's fault and not the administrator's, and it may pass.
            Order.objects.filter(pk=self.order.pk).update(status=OrderStatus.INVALID)
            raise ProblemError(unusable_certificate(error.problem)) from error


def _checked(text: bytes, order: Order, names: list[str]) -> pem.ChainFacts:
    chain = pem.split(text)
    facts = pem.facts(chain)
    pem.check_key(chain, csr_of(order).public_key())
    pem.check_names(facts, names)
    pem.check_no_other_names(facts, names)
    pem.check_validity(facts, timezone.now())
    pem.check_order(chain)
    if order.environment == Environment.PRODUCTION:
        pem.check_not_staging(facts)
    return facts
