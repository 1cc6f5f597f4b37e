"""What can come of asking for a CA's directory, and what an error on the way to it means."""

from __future__ import annotations

import enum
import errno
import http.client
import socket
import ssl
from collections.abc import Sequence

from urllib3.exceptions import ConnectTimeoutError, ReadTimeoutError

# X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED and _HOSTNAME_MISMATCH of OpenSSL's x509_vfy.h.
_TIME_ERRORS = frozenset({9, 10})
_NAME_ERROR = 62
# What a resolver says for certain; -5 and -9 are glibc's EAI_NODATA and EAI_ADDRFAMILY, which
# Python does not name everywhere. All the rest, as EAI_AGAIN, may be over in a moment.
_UNKNOWN_NAME = frozenset({socket.EAI_NONAME, -5, -9})


class Outcome(enum.Enum):
    """What came of asking for a directory. The values are the ends of the findings' codes."""

    FOUND = "found"
    NOT_HTTPS = "not-https"
    NAME_UNKNOWN = "name-unknown"
    NAME_UNANSWERED = "name-unanswered"
    REFUSED = "refused"
    CUT_OFF = "cut-off"
    NO_ROUTE = "no-route"
    SILENT = "silent"
    PROXY_UNUSABLE = "proxy-unusable"
    PROXY_UNREACHABLE = "proxy-unreachable"
    PROXY_SILENT = "proxy-silent"
    PROXY_REFUSES = "proxy-refuses"
    NOT_TRUSTED = "not-trusted"
    OTHER_SERVER = "other-server"
    CERTIFICATE_TIME = "certificate-time"
    TLS_FAILED = "tls-failed"
    BUNDLE_UNREADABLE = "bundle-unreadable"
    STATUS = "status"
    NOT_A_DIRECTORY = "not-a-directory"


def outcome_of(error: Exception) -> Outcome:
    """What an error of a direct connection means, by the innermost cause that says anything."""
    found = (_outcome(cause) for cause in causes_of(error))
    return next((outcome for outcome in found if outcome), Outcome.SILENT)


def _outcome(cause: BaseException) -> Outcome | None:
    match cause:
        case socket.gaierror():
            is_certain = cause.errno in _UNKNOWN_NAME
            return Outcome.NAME_UNKNOWN if is_certain else Outcome.NAME_UNANSWERED
        case ssl.SSLCertVerificationError():
            return _of_certificate(cause)
        case TimeoutError() | ConnectTimeoutError() | ReadTimeoutError():
            return Outcome.SILENT
        # Both are TLS errors, too, but what ends in the middle is not wrong by itself.
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | http.client.IncompleteRead():
            return Outcome.CUT_OFF
        case ssl.SSLError():
            return Outcome.TLS_FAILED
        case ConnectionRefusedError():
            return Outcome.REFUSED
        case ConnectionError():
            return Outcome.CUT_OFF
        case OSError() if cause.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH}:
            return Outcome.NO_ROUTE
    return None


def _of_certificate(error: ssl.SSLCertVerificationError) -> Outcome:
    if error.verify_code in _TIME_ERRORS:
        return Outcome.CERTIFICATE_TIME
    return Outcome.OTHER_SERVER if error.verify_code == _NAME_ERROR else Outcome.NOT_TRUSTED


def causes_of(error: BaseException) -> Sequence[BaseException]:
    """The error and all that it wraps, innermost first; each library keeps it elsewhere."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.append(one)
        inner = (*one.args, getattr(one, "reason", None), one.__cause__, one.__context__)
        waiting += [cause for cause in inner if isinstance(cause, BaseException)]
    return seen[::-1]
