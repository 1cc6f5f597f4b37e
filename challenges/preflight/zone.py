"""Steps that say what to type into a zone, with this gateway's own names and addresses.

Looks at this machine's addresses. Beside the steps, how a sentence writes what the DNS says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from challenges.domains import registered_domain
from challenges.preflight import machine
from challenges.preflight.lookups import Lookup
from challenges.preflight.surroundings import Address, Surroundings


def address_record(name: str, surroundings: Surroundings) -> str:
    """The address record that ``name`` needs in the public DNS, in this scenario."""
    own = () if surroundings.is_behind_router else machine.look().public
    value = next((str(address) for address in own if address.version == 4), "")
    if value:
        return _(
            "At the company that runs the public DNS of %(zone)s, enter this record: name "
            "%(name)s, type A, value %(value)s (this machine's public IP address)."
        ) % {"zone": registered_domain(name), "name": name, "value": value}
    whose = (
        _("the router's public IP address")
        if surroundings.is_behind_router
        else _("this machine's public IP address")
    )
    return _(
        "At the company that runs the public DNS of %(zone)s, enter this record: name %(name)s, "
        "type A, value %(whose)s."
    ) % {"zone": registered_domain(name), "name": name, "whose": whose}


def local_record(name: str) -> str:
    """The record with which the DNS of the building leads straight to this machine."""
    own = next((str(address) for address in machine.look().private), "")
    return _(
        "In the DNS of the local network (often the router), enter this record: name %(name)s, "
        "type A, value %(value)s."
    ) % {"name": name, "value": own or _("the gateway's address in the local network")}


def wait(seconds: int | None) -> str:
    """To wait until the DNS servers have forgotten what they remember."""
    if seconds is None:
        return _("Wait until the DNS servers have seen the change; then try again.")
    rounded = minutes(seconds)
    return ngettext(
        "After a change wait %(minutes)d minute: so long DNS servers may remember the old answer; "
        "then try again.",
        "After a change wait %(minutes)d minutes: so long DNS servers may remember the old "
        "answer; then try again.",
        rounded,
    ) % {"minutes": rounded}


def minutes(seconds: int) -> int:
    """Whole minutes that are not shorter."""
    return max(1, -(-seconds // 60))


def names(each: Sequence[str], most: int = 3) -> str:
    """Some names for a sentence: all of them, or the first ones and how many more there are."""
    if len(each) > most + 1:
        return _("%(names)s and %(count)d more names") % {
            "names": ", ".join(each[:most]),
            "count": len(each) - most,
        }
    if len(each) > 1:
        return _("%(names)s and %(last)s") % {"names": ", ".join(each[:-1]), "last": each[-1]}
    return ", ".join(each)


def written(addresses: Iterable[Address]) -> str:
    """Addresses in a sentence."""
    return ", ".join(map(str, addresses))


def record_type(address: Address) -> str:
    """The type of the record that holds the address."""
    return "A" if address.version == 4 else "AAAA"


def said(lookup: Lookup) -> str:
    """What a name's servers give: addresses, or why there are none."""
    if lookup.addresses:
        return written(lookup.addresses)
    return lookup.failure.value if lookup.failure else _("no address")
