"""Advances one ACME order by one step, from what is stored and the CA's own answer.

The sealed key and the CSR are committed before newOrder, the order's URL right after it, and the
token before its challenge is answered; so whoever comes after a crash goes on from there.
"""

from __future__ import annotations

import dataclasses
import datetime

from cryptography import x509
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from certificates import accounts, authority, keys, pem, sealing, store
from certificates.leases import Lease
from certificates.models import Issuance, Order, OrderStatus
from certificates.policy import retry
from certificates.policy.acme_problems import CaProblem
from certificates.policy.issuance import Environment
from certificates.policy.keys import KeyType
from challenges import tokens

# An order's authorizations are looked at as well once it stays pending longer than usual: the
# order itself need not say why it does (RFC 8555 §7.1.6).
POLLS_BEFORE_LOOKING_CLOSER = 3
DEFAULT_TOKEN_LIFETIME = datetime.timedelta(days=7)
AT_ONCE = datetime.timedelta(0)


class OrderFailedError(Exception):
    """The CA has ended the order as invalid, and says why."""

    def __init__(self, problem: CaProblem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class OrderLostError(OrderFailedError):
    """The CA knows the account or the order no more; the next step begins a new one."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """Either the chain, or how long to wait before the next step."""

    wait: datetime.timedelta = AT_ONCE
    chain: pem.ChainFacts | None = None


def directory_url(environment: Environment) -> str:
    """The configured directory of that environment."""
    configuration = settings.CONFIGURATION
    return str(
        configuration.acme_staging_url
        if environment is Environment.STAGING
        else configuration.acme_production_url
    )


def advance(issuance: Issuance, environment: Environment, lease: Lease) -> Progress:
    """Do the next step of the issuance's order.

    Raises OrderFailedError when the CA has ended it, OrderLostError when it is to be begun anew,
    ProblemError for an unusable certificate, LeaseLostError, and what the authority raises.
    """
    order = _current(issuance, environment)
    with accounts.conversation(order.account) as ca:
        lease.keep()
        try:
            return _Conversation(order, ca, lease).step(issuance.names)
        except authority.AcmeError as error:
            if not _is_lost(error, order):
                raise
            _forget(order, account_too=error.problem.type == "accountDoesNotExist")
            raise OrderLostError(error.problem) from error


def current_order(issuance: Issuance, environment: Environment) -> Order:
    """The order that is not invalid. Raises Order.DoesNotExist."""
    return (
        Order.objects.select_related("account")
        .exclude(status=OrderStatus.INVALID)
        .get(issuance=issuance, environment=environment)
    )


def key_of(order: Order) -> bytes:
    """The private key of the order's certificate, PKCS#8 DER. Raises ProblemError."""
    return sealing.unseal(order.sealed_key, keys.sealing_purpose(_csr(order).public_key()))


def withdraw_tokens(order: Order) -> None:
    """Stop answering the order's challenges: its authorizations are final."""
    with transaction.atomic():
        for token in order.challenge_tokens:
            tokens.withdraw(token)


def _current(issuance: Issuance, environment: Environment) -> Order:
    try:
        return current_order(issuance, environment)
    except Order.DoesNotExist:
        return _prepare(issuance, environment)


def _prepare(issuance: Issuance, environment: Environment) -> Order:
    """Commit key and CSR before the CA hears of them (a lost key is a lost certificate)."""
    key = keys.generate(KeyType(issuance.key_type))
    csr = keys.make_csr(key, issuance.names)
    return Order.objects.create(
        issuance=issuance,
        environment=environment.value,
        account=accounts.account_at(directory_url(environment), issuance.gateway),
        sealed_key=store.seal_key(keys.to_der(key), key.public_key()),
        csr_pem=pem.csr_to_pem(csr),
    )


class _Conversation:
    """The steps of one order, over one connection, as long as the lease is ours."""

    def __init__(self, order: Order, ca: authority.Authority, lease: Lease) -> None:
        self.order = order
        self.ca = ca
        self.lease = lease

    def step(self, names: list[str]) -> Progress:
        """What the stored state asks for."""
        order = self.order
        if not order.account.url:
            accounts.register(order.account, self.ca)
            return Progress()
        if not order.url:
            return self._adopt(self.ca.new_order(names))
        match OrderStatus(order.status):
            case OrderStatus.PENDING if not order.challenges_answered:
                return self._answer_challenges()
            case OrderStatus.READY:
                return self._finalize()
            case OrderStatus.VALID:
                return Progress(chain=self._download(names))
            case _:
                return self._poll()

    def _finalize(self) -> Progress:
        order = self.order
        try:
            return self._adopt(self.ca.finalize(order.url, order.finalize_url, _csr(order)))
        except authority.AcmeError as error:
            if error.problem.type != "orderNotReady":
                raise
        # It may have been finalized already and the answer lost, so what counts is the order.
        return self._poll()

    def _adopt(self, answer: authority.OrderAnswer) -> Progress:
        """Store what the CA says of the order, and when to look again."""
        order = self.order
        order.polls = order.polls + 1 if answer.status == order.status else 0
        order.status = OrderStatus(answer.status)
        order.url = answer.url
        order.finalize_url = answer.finalize_url
        order.authorization_urls = list(answer.authorization_urls)
        order.certificate_url = answer.certificate_url
        order.expires_at = answer.expires_at
        self.lease.confirm()
        order.save()
        if order.status == OrderStatus.INVALID:
            raise OrderFailedError(answer.problem or CaProblem("", "the order became invalid"))
        if order.status == OrderStatus.PENDING and not order.challenges_answered:
            return Progress()
        if order.status in {OrderStatus.PENDING, OrderStatus.PROCESSING}:
            return Progress(wait=self._pause(answer))
        return Progress()

    def _pause(self, answer: authority.OrderAnswer) -> datetime.timedelta:
        now = timezone.now()
        if now - self.order.created_at > retry.LONGEST_ORDER:
            raise OrderFailedError(
                CaProblem("serverInternal", f"the order is still {answer.status} after an hour")
            )
        if answer.retry_after is not None:
            return max(answer.retry_after - now, AT_ONCE)
        return retry.poll_delay(self.order.polls)

    def _answer_challenges(self) -> Progress:
        """Publish every token, durably, before the CA is told to look for it."""
        order = self.order
        pending = []
        for url in order.authorization_urls:
            self.lease.keep()
            answer = self.ca.authorization(url)
            if answer.status == "pending" and answer.challenge is not None:
                pending.append((answer, answer.challenge))
            elif answer.status != "valid":
                raise self._failed(answer)
        self._publish(pending)
        for _, challenge in pending:
            self.lease.keep()
            if challenge.status == "pending":
                self.ca.answer(challenge.url)
        order.challenges_answered = True
        self.lease.confirm()
        order.save(update_fields=["challenges_answered"])
        return Progress(wait=retry.poll_delay(0))

    def _publish(
        self, pending: list[tuple[authority.AuthorizationAnswer, authority.Challenge]]
    ) -> None:
        now = timezone.now()
        with transaction.atomic():
            for answer, challenge in pending:
                tokens.publish(
                    challenge.token,
                    challenge.key_authorization,
                    now=now,
                    lifetime=_lifetime(answer, now),
                )
                self.order.challenge_tokens.append(challenge.token)
            self.lease.confirm()
            self.order.save(update_fields=["challenge_tokens"])

    def _poll(self) -> Progress:
        order = self.order
        if order.status == OrderStatus.PENDING and order.polls >= POLLS_BEFORE_LOOKING_CLOSER:
            self._raise_if_refused()
        answer = self.ca.order(order.url)
        if answer.status == OrderStatus.INVALID:
            self._raise_if_refused()
        progress = self._adopt(answer)
        if order.status != OrderStatus.PENDING:
            withdraw_tokens(order)
        return progress

    def _raise_if_refused(self) -> None:
        """The authorization says why a name failed; the order often does not."""
        for url in self.order.authorization_urls:
            self.lease.keep()
            answer = self.ca.authorization(url)
            if answer.status not in {"pending", "valid"}:
                raise self._failed(answer)

    def _failed(self, answer: authority.AuthorizationAnswer) -> OrderFailedError:
        Order.objects.filter(pk=self.order.pk).update(status=OrderStatus.INVALID)
        withdraw_tokens(self.order)
        if answer.problem is not None:
            return OrderFailedError(answer.problem)
        detail = (
            f"the authorization is {answer.status}"
            if answer.challenge
            else "the CA offers no HTTP-01 challenge for this name"
        )
        return OrderFailedError(CaProblem("", detail, identifier=answer.identifier))

    def _download(self, names: list[str]) -> pem.ChainFacts:
        """The chain, once it is certain that it is what was ordered. Raises ProblemError."""
        chain = pem.split(self.ca.download(self.order.certificate_url))
        facts = pem.facts(chain)
        pem.check_key(chain, _csr(self.order).public_key())
        pem.check_names(facts, names)
        pem.check_validity(facts, timezone.now())
        pem.check_order(chain)
        return facts


def _csr(order: Order) -> x509.CertificateSigningRequest:
    return x509.load_pem_x509_csr(order.csr_pem.encode())


def _lifetime(answer: authority.AuthorizationAnswer, now: datetime.datetime) -> datetime.timedelta:
    """Until the authorization ends: a CA may come back for the token as long as it is pending."""
    if answer.expires_at is None or answer.expires_at <= now:
        return DEFAULT_TOKEN_LIFETIME
    return min(answer.expires_at - now, DEFAULT_TOKEN_LIFETIME)


def _is_lost(error: authority.AcmeError, order: Order) -> bool:
    """Whether the CA has forgotten the account or the order, as a rebuilt one would."""
    return error.problem.type == "accountDoesNotExist" or (
        bool(order.url) and error.problem.status == 404
    )


def _forget(order: Order, *, account_too: bool) -> None:
    """Begin a new order at the next step; the account's key stays the same."""
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.INVALID)
    if account_too:
        accounts.forget(order.account)
