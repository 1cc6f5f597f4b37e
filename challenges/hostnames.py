"""Which names a public CA can certify by HTTP-01, and the one spelling that we store.

Pure: takes what a person typed, returns an A-label name (RFC 5890) or raises ProblemError.
The rules are those of RFC 1123 §2.1, RFC 5890 and of Let's Encrypt's own check of identifiers.
"""

from __future__ import annotations

import ipaddress
import re

import idna
from django.utils.translation import gettext as _

from challenges.problems import Problem, ProblemError, Severity

MOST_ADDITIONAL = 99  # 100 names in a certificate, one of them the hostname
LONGEST_NAME = 253
LONGEST_LABEL = 63
_LONGEST_INPUT = 1000
_SEPARATORS = re.compile(r"[\s,;]+")
_LDH_LABEL = re.compile(r"[a-z0-9-]+")


def normalise(text: str) -> str:
    """The A-label form of the hostname in ``text``, in lower case.

    Raises ProblemError, with a code of its own for each way not to be a public hostname.
    """
    typed = text.strip()
    _refuse_other_notations(typed)
    mapped = _mapped(typed)
    _refuse_addresses(mapped)
    if mapped.endswith("."):
        raise _refusal(
            "hostname-trailing-dot",
            _("“%(name)s” ends with a dot.") % _shown(typed),
            _("Leave the last dot out: %(name)s") % _shown(mapped.rstrip(".")),
        )
    labels = mapped.split(".")
    _refuse_shapes(typed, labels)
    name = ".".join(_a_label(label, typed) for label in labels)
    if len(name) > LONGEST_NAME:
        raise _too_long(typed, len(name))
    return name


def split_additional(text: str, *, hostname: str = "") -> tuple[str, ...]:
    """The names in ``text``, separated by commas, semicolons or white space, normalised.

    ``hostname`` is the certificate's first name, which must not be repeated.
    Raises ProblemError for the first name that is wrong, for a duplicate and for too many.
    """
    entries = [entry for entry in _SEPARATORS.split(text) if entry]
    if len(entries) > MOST_ADDITIONAL:
        raise _refusal(
            "hostnames-too-many",
            _("These are %(count)d additional hostnames, and a certificate has room for %(most)d.")
            % {"count": len(entries), "most": MOST_ADDITIONAL},
            _("Remove some, or set up another gateway for them."),
        )
    names: list[str] = []
    for entry in entries:
        name = normalise(entry)
        if name in names or name == hostname:
            raise _refusal(
                "hostname-duplicate",
                _("“%(name)s” is given twice.") % _shown(entry),
                _("Name every host once; the hostname itself is always in the certificate."),
            )
        names.append(name)
    return tuple(names)


def _refuse_other_notations(typed: str) -> None:
    if not typed:
        raise _refusal(
            "hostname-empty",
            _("There is no hostname."),
            _("Enter the name under which the gateway is reached, such as mail.example.com."),
        )
    if len(typed) > _LONGEST_INPUT:
        raise _too_long(typed, len(typed))
    if re.search(r"\s", typed):
        raise _refusal(
            "hostname-spaces",
            _("“%(name)s” contains a space.") % _shown(typed),
            _("Enter a single hostname; further names belong into the additional hostnames."),
        )
    if "://" in typed:
        raise _refusal(
            "hostname-scheme",
            _("“%(name)s” is a web address, not a hostname.") % _shown(typed),
            _("Leave out what stands before and after the name itself."),
        )
    _refuse_addresses(typed)
    for sign, code, explanation, remedy in (
        (
            "/",
            "hostname-path",
            _("“%(name)s” contains a path."),
            _("Leave out the slash and the rest."),
        ),
        (
            "@",
            "hostname-at-sign",
            _("“%(name)s” is an email address."),
            _("Enter the part after the @."),
        ),
        (
            ":",
            "hostname-port",
            _("“%(name)s” contains a port."),
            _("Leave out the colon and the port."),
        ),
        (
            "*",
            "hostname-wildcard",
            _("“%(name)s” is a wildcard, and control of a wildcard cannot be proven over HTTP."),
            _("List every hostname by itself, without an asterisk."),
        ),
    ):
        if sign in typed:
            raise _refusal(code, explanation % _shown(typed), remedy)


def _refuse_addresses(typed: str) -> None:
    try:
        ipaddress.ip_address(typed.strip("[]"))
    except ValueError:
        return
    raise _refusal(
        "hostname-is-address",
        _("“%(name)s” is an IP address.") % _shown(typed),
        _("Enter a hostname that has this address in the public DNS, such as mail.example.com."),
    )


def _mapped(typed: str) -> str:
    """Lower case, full-width signs and other dots mapped to plain ones (UTS #46 §4)."""
    try:
        return idna.uts46_remap(typed, std3_rules=False, transitional=False)
    except idna.IDNAError as error:
        raise _not_convertible(typed, str(error)) from None


def _refuse_shapes(typed: str, labels: list[str]) -> None:
    name = _shown(typed)
    if "" in labels:
        raise _refusal(
            "hostname-empty-label",
            _("“%(name)s” has nothing between two dots, or begins with a dot.") % name,
            _("Remove the superfluous dot."),
        )
    if any("_" in label for label in labels):
        raise _refusal(
            "hostname-underscore",
            _("“%(name)s” contains an underscore, which no hostname may have.") % name,
            _("Use a name of letters, digits and hyphens."),
        )
    if any(label.startswith("-") or label.endswith("-") for label in labels):
        raise _refusal(
            "hostname-hyphen",
            _("In “%(name)s” a part begins or ends with a hyphen.") % name,
            _("Put hyphens only between letters or digits."),
        )
    if len(labels) == 1:
        raise _refusal(
            "hostname-single-label",
            _("“%(name)s” is not a full name in the public DNS.") % name,
            _("Add the domain: %(name)s.example.com") % name,
        )
    if labels[-1].isdigit():
        raise _refusal(
            "hostname-numeric-ending",
            _("“%(name)s” ends with a number, and no public domain does.") % name,
            _("Check the part after the last dot."),
        )


def _a_label(label: str, typed: str) -> str:
    """One label as it stands in the DNS."""
    encoded = label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")
    if len(encoded) > LONGEST_LABEL:
        raise _refusal(
            "hostname-label-too-long",
            _("In “%(name)s” the part “%(label)s” has %(length)d bytes; %(most)d are allowed.")
            % {
                **_shown(typed),
                "label": _shortened(label),
                "length": len(encoded),
                "most": LONGEST_LABEL,
            },
            _("Choose a shorter name."),
        )
    if encoded[2:4] == "--" and not encoded.startswith("xn--"):
        raise _refusal(
            "hostname-reserved-hyphens",
            _("In “%(name)s” a part has hyphens in the third and fourth place, a reserved form.")
            % _shown(typed),
            _("Choose a name without these two hyphens."),
        )
    if label.isascii() and not _LDH_LABEL.fullmatch(label):
        raise _not_convertible(typed, label)
    if encoded.startswith("xn--"):
        try:
            return idna.alabel(label).decode("ascii")
        except idna.IDNAError as error:
            raise _not_convertible(typed, str(error)) from None
    return encoded


def _not_convertible(typed: str, detail: str) -> ProblemError:
    return _refusal(
        "hostname-characters",
        _("“%(name)s” contains a character that hostnames do not have.") % _shown(typed),
        _("Use letters, digits, hyphens and dots; letters of any script are converted."),
        detail=detail,
    )


def _too_long(typed: str, length: int) -> ProblemError:
    return _refusal(
        "hostname-too-long",
        _("“%(name)s” has %(length)d bytes; a hostname has at most %(most)d.")
        % {**_shown(typed), "length": length, "most": LONGEST_NAME},
        _("Choose a shorter name."),
    )


def _refusal(code: str, explanation: str, remedy: str, *, detail: str = "") -> ProblemError:
    return ProblemError(
        Problem(
            code=code,
            severity=Severity.ERROR,
            explanation=explanation,
            remedy=(remedy,),
            detail=detail,
        )
    )


def _shown(name: str) -> dict[str, str]:
    return {"name": _shortened(name)}


def _shortened(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
