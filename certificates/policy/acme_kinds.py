"""What a CA's words come to, more finely than the error types of RFC 8555 §6.7 say it.

Each kind is a stable code, with "acme-" in front. The type that a kind belongs to still decides
whether trying again can help.
"""

from __future__ import annotations

import enum


class Kind(enum.StrEnum):
    """What Boulder and Pebble say in the detail of an error."""

    # No connection came about.
    CONNECTION_REFUSED = "connection-refused"
    CONNECTION_TIMEOUT = "connection-timeout"
    NETWORK_UNREACHABLE = "network-unreachable"
    TIMEOUT = "timeout"  # before or after the connection: the CA does not say
    # A connection came about, but no answer.
    ANSWER_TIMEOUT = "answer-timeout"
    CONNECTION_RESET = "connection-reset"
    CONNECTION_CLOSED = "connection-closed"
    ANSWER_UNREADABLE = "answer-unreadable"
    PORT_SPEAKS_TLS = "port-speaks-tls"
    # A redirect that leads nowhere.
    REDIRECT_LOOP = "redirect-loop"
    TOO_MANY_REDIRECTS = "too-many-redirects"
    REDIRECT_PORT = "redirect-port"
    REDIRECT_HOST = "redirect-host"
    REDIRECT_REFUSED = "redirect-refused"
    REDIRECT_BROKEN = "redirect-broken"
    REDIRECT_TLS = "redirect-tls"
    # An answer, but not ours.
    HTTP_NOT_FOUND = "http-not-found"
    HTTP_FORBIDDEN = "http-forbidden"
    HTTP_SERVER_ERROR = "http-server-error"
    HTTP_STATUS = "http-status"
    WRONG_CONTENT = "wrong-content"
    OTHER_ACCOUNT = "other-account"
    # The DNS.
    DNS_NO_SUCH_NAME = "dns-no-such-name"
    DNS_NO_ADDRESS = "dns-no-address"
    DNS_SERVER_FAILURE = "dns-server-failure"
    DNS_SIGNATURE = "dns-signature"
    DNS_REFUSED = "dns-refused"
    DNS_TIMEOUT = "dns-timeout"
    CAA_UNREADABLE = "caa-unreadable"
    # Let's Encrypt's limits.
    LIMIT_EXACT_SET = "limit-exact-set"
    LIMIT_DOMAIN = "limit-domain"
    LIMIT_FAILURES = "limit-failures"
    LIMIT_ORDERS = "limit-orders"
    LIMIT_ACCOUNTS = "limit-accounts"
    LIMIT_PENDING = "limit-pending"
    BUSY = "busy"
    PAUSED = "paused"
    # Names and requests that the CA does not accept.
    NAME_FORBIDDEN = "name-forbidden"
    NAME_NOT_PUBLIC = "name-not-public"
    NAME_IS_ADDRESS = "name-is-address"
    NAME_INVALID = "name-invalid"
    TOO_MANY_NAMES = "too-many-names"
    CSR_KEY = "csr-key"
    KEY_IS_ACCOUNT_KEY = "key-is-account-key"
    CONTACT_DOMAIN = "contact-domain"
    ACCOUNT_CLOSED = "account-closed"
    # The CA's own trouble.
    MAINTENANCE = "maintenance"
    PERSPECTIVE_FAILED = "perspective-failed"
    TRANSPARENCY_LOGS = "transparency-logs"


class Family(enum.Enum):
    """How far a validation came, and so what its visits can say."""

    CONNECT = "no connection"
    ANSWER = "no answer"
    EITHER = "no connection or no answer"
    REDIRECT = "a redirect"
    CONTENT = "another answer"
    DNS = "no address"
    CAA = "no word on who may issue"
    NONE = "no validation"


FAMILIES: dict[Kind, Family] = {
    Kind.CONNECTION_REFUSED: Family.CONNECT,
    Kind.CONNECTION_TIMEOUT: Family.CONNECT,
    Kind.NETWORK_UNREACHABLE: Family.CONNECT,
    Kind.TIMEOUT: Family.EITHER,
    Kind.ANSWER_TIMEOUT: Family.ANSWER,
    Kind.CONNECTION_RESET: Family.ANSWER,
    Kind.CONNECTION_CLOSED: Family.ANSWER,
    Kind.ANSWER_UNREADABLE: Family.ANSWER,
    Kind.PORT_SPEAKS_TLS: Family.ANSWER,
    Kind.REDIRECT_LOOP: Family.REDIRECT,
    Kind.TOO_MANY_REDIRECTS: Family.REDIRECT,
    Kind.REDIRECT_PORT: Family.REDIRECT,
    Kind.REDIRECT_HOST: Family.REDIRECT,
    Kind.REDIRECT_REFUSED: Family.REDIRECT,
    Kind.REDIRECT_BROKEN: Family.REDIRECT,
    Kind.REDIRECT_TLS: Family.REDIRECT,
    Kind.HTTP_NOT_FOUND: Family.CONTENT,
    Kind.HTTP_FORBIDDEN: Family.CONTENT,
    Kind.HTTP_SERVER_ERROR: Family.CONTENT,
    Kind.HTTP_STATUS: Family.CONTENT,
    Kind.WRONG_CONTENT: Family.CONTENT,
    Kind.OTHER_ACCOUNT: Family.CONTENT,
    Kind.DNS_NO_SUCH_NAME: Family.DNS,
    Kind.DNS_NO_ADDRESS: Family.DNS,
    Kind.DNS_SERVER_FAILURE: Family.DNS,
    Kind.DNS_SIGNATURE: Family.DNS,
    Kind.DNS_REFUSED: Family.DNS,
    Kind.DNS_TIMEOUT: Family.DNS,
    Kind.CAA_UNREADABLE: Family.CAA,
}
# Where the words say no more than the type does.
TYPE_FAMILIES: dict[str, Family] = {
    "connection": Family.EITHER,
    "unauthorized": Family.CONTENT,
    "incorrectResponse": Family.CONTENT,
    "tls": Family.REDIRECT,
    "dns": Family.DNS,
    "caa": Family.CAA,
}


def family_of(kind: Kind | None, error_type: str) -> Family:
    """How far a validation came, by the words of the CA or else by the error's type."""
    if kind is None:
        return TYPE_FAMILIES.get(error_type, Family.NONE)
    return FAMILIES.get(kind, Family.NONE)
