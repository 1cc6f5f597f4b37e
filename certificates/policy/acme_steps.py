"""The steps that more than one sentence about a CA's error ends with, each written out once.

Those with braces have places for what acme_words.py fills in.
"""

from __future__ import annotations

TRY_AGAIN = "Then press Try again."
LATER = "Nothing is wrong here; wait and try again later."
NOTHING = "Nothing has to be done."
BY_ITSELF = "Nothing else has to be done: what is due is tried again by itself."
READ_DETAIL = "Read the technical detail below."

# Whole steps, which depend on the gateway's network or on what the CA has said.
OPEN_PORT = "{open_port}"
OWN_FIREWALL = "{own_firewall}"
PROVIDER = "{provider}"
ALL_SOURCES = "{all_sources}"
WAIT = "{wait}"
UNPAUSE = "{unpause}"

# The DNS.
DNS_RECORD = (
    "At your DNS provider, make the A or CNAME record of {name} point to the public IP address "
    "of this gateway, and remove AAAA records that lead elsewhere."
)
ADDRESS_OF_NETWORK = (
    "Check that the DNS record of {name} holds the address of this gateway's network and not that "
    "of a web host."
)
CORRECT_AAAA = (
    "At your DNS provider, remove the AAAA record of {name}, or correct it and open TCP port 80 "
    "for IPv6 as well."
)
ONE_SERVER = (
    "At your DNS provider, check that {name} has no further A or AAAA records, and no others for "
    "other parts of the world: all have to lead to this gateway."
)
NAME_SERVERS = (
    "Check at your DNS provider that all name servers of the domain run and give the same answers."
)
VISIBLE_EVERYWHERE = "Wait until the change is visible everywhere (up to the record's TTL)."

# The way in, and the way back.
NO_REDIRECT = (
    "Find what answers on port 80 of {place} and redirects: the router's own web page, a proxy or "
    "another web server. Let paths that begin with /.well-known/acme-challenge/ through unchanged."
)
NOTHING_BETWEEN = (
    "Look for a proxy, a content filter or an intrusion prevention system on the way, and exempt "
    "TCP port 80 of this gateway from it."
)
WAY_BACK = (
    "Check that answers leave by the line by which the requests came, if there is more than one.",
    "On a line with PPPoE or through a VPN, have the router limit the packet size (MSS clamping).",
)

# What is asked for.
CHECK_NAMES = "Check hostname and additional hostnames for mistakes."
OTHER_KEY = "{other_key}"
