"""The CA of the lab: Debian's Pebble at an address of Let's Encrypt's, looking at port 80."""

from __future__ import annotations

import datetime
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.lab.namespaces import Namespace
from tests.parts.processes import Process, find_program

# Let's Encrypt's own name: of another CA, which may be a private one, less is certain.
NAME = "acme-v02.api.letsencrypt.org"
ADDRESS = "172.65.32.248"
DIRECTORY_URL = f"https://{NAME}/dir"
# The same CA by an address of its own, so that the product takes it for another one.
STAGING_URL = f"{DIRECTORY_URL}?staging"
_VALID_FOR = datetime.timedelta(days=30)
_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class ServerFiles:
    """A certificate that is its own root, and its key."""

    certificate: Path
    key: Path


def make_files(directory: Path, common_name: str, *, is_over: bool = False) -> ServerFiles:
    """A certificate for the CA's own HTTPS: by its name and by its address.

    ``is_over``: its time is up since yesterday.
    """
    files = ServerFiles(directory / f"{common_name}.pem", directory / f"{common_name}.key")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address(ADDRESS))]
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _VALID_FOR)
        .not_valid_after(now - _DAY if is_over else now + _VALID_FOR)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def start_pebble(where: Namespace, files: ServerFiles, dns: str, directory: Path) -> Process:
    """Start it; what it says of each validation is in the log of the process."""
    config = directory / "pebble.json"
    config.write_text(
        json.dumps(
            {
                "pebble": {
                    "listenAddress": f"{ADDRESS}:443",
                    "managementListenAddress": "127.0.0.1:15000",
                    "certificate": str(files.certificate),
                    "privateKey": str(files.key),
                    "httpPort": 80,
                    "tlsPort": 443,
                    "ocspResponderURL": "",
                    "externalAccountBindingRequired": False,
                }
            }
        )
    )
    environment = {
        "PEBBLE_VA_NOSLEEP": "1",
        "PEBBLE_WFE_NONCEREJECT": "0",
        "PEBBLE_AUTHZREUSE": "0",
    }
    program = find_program("pebble", package="pebble")
    return where.start(
        "pebble",
        [program, "-config", config, "-dnsserver", dns, "-strict=false"],
        env=environment,
    )
