"""What the machine's owner has configured: environment, then the files of the data directory.

Reads only; nothing is written by importing it. The web interface can change none of this.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

import dj_database_url

from gateway_admin.secret import Secret

LETS_ENCRYPT_STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
LETS_ENCRYPT_PRODUCTION = "https://acme-v02.api.letsencrypt.org/directory"
# Resolvers that validate DNSSEC, run by different parties, so that one outage is not a finding.
PUBLIC_RESOLVERS = ("1.1.1.1", "8.8.8.8", "9.9.9.9")
OWNER_FILE = "gateway-admin.env"
DEMO_FILE = "demo.env"
ON = frozenset({"1", "on", "true", "yes"})
SELF_SIGNED = "self-signed"


class ConfigurationError(Exception):
    """A setting or a file that the product cannot start with; the text is one line for a person."""


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclasses.dataclass(frozen=True)
class Configuration:
    """The settings after defaults, checked. Paths are absolute.

    ``public_port`` is where a CA looks for the challenge: 80 everywhere but in the demonstration,
    whose router cannot bind that. ``rate_limits`` says whose limits the CA has (``lets-encrypt``,
    or ``none`` for a CA of one's own); the two limits are those that it has granted to this
    console's production account, None for the usual ones. Only files below
    ``certificate_directories`` may be followed. ``console_certificate`` is empty where the console
    speaks plain HTTP, else ``self-signed`` or the slug of the gateway whose certificate it shows.
    """

    data_dir: Path
    database_url: str = dataclasses.field(repr=False)
    database_password: str = dataclasses.field(repr=False)
    broker_url: str = dataclasses.field(repr=False)
    allowed_hosts: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    acme_staging_url: str
    acme_production_url: str
    acme_ca_bundle: Path | None
    dns_servers: tuple[str, ...]
    certificate_directories: tuple[Path, ...]
    public_networks: tuple[Network, ...]
    challenge_host: str
    public_port: int
    rate_limits: str
    new_orders_limit: int | None
    certificates_per_domain_limit: int | None
    log_format: str
    demo: bool
    https: bool
    console_certificate: str

    @property
    def secret_key_file(self) -> Path:
        """Where the signing key is kept unless the environment gives it."""
        return self.data_dir / "secrets" / "secret_key"

    @property
    def encryption_keys_file(self) -> Path:
        """Where the keys for encryption at rest are kept unless the environment gives them."""
        return self.data_dir / "secrets" / "encryption_keys"

    @property
    def console_certificate_file(self) -> Path:
        """The console's self-signed certificate with its key, once it has been made."""
        return self.data_dir / "console" / "self-signed.pem"

    @property
    def console_gateway(self) -> str:
        """The slug of the gateway whose certificate the console shows; empty without one."""
        return "" if self.console_certificate == SELF_SIGNED else self.console_certificate


def load(environ: Mapping[str, str] | None = None) -> Configuration:
    """Read and check the configuration.

    The process environment wins over the owner's file, which wins over the demonstration's.
    Raises ConfigurationError, naming the variable, for a value that cannot be used.
    """
    environ = os.environ if environ is None else environ
    data_dir = Path(environ.get("GATEWAY_ADMIN_DATA_DIR") or "data").absolute()
    values = _merged(environ, data_dir)
    bundle = values.get("GATEWAY_ADMIN_ACME_CA_BUNDLE", "")
    return Configuration(
        data_dir=data_dir,
        database_url=values.get("DATABASE_URL")
        or f"sqlite:///{quote(str(data_dir / 'db.sqlite3'))}",
        database_password=_from_file(values, "DATABASE_PASSWORD_FILE"),
        broker_url=_broker_url(values),
        allowed_hosts=_list(values, "GATEWAY_ADMIN_ALLOWED_HOSTS"),
        trusted_proxies=_list(values, "GATEWAY_ADMIN_TRUSTED_PROXIES"),
        acme_staging_url=_https(values, "GATEWAY_ADMIN_ACME_STAGING_URL", LETS_ENCRYPT_STAGING),
        acme_production_url=_https(
            values, "GATEWAY_ADMIN_ACME_PRODUCTION_URL", LETS_ENCRYPT_PRODUCTION
        ),
        acme_ca_bundle=_readable(bundle, "GATEWAY_ADMIN_ACME_CA_BUNDLE") if bundle else None,
        dns_servers=_list(values, "GATEWAY_ADMIN_DNS_SERVERS") or PUBLIC_RESOLVERS,
        certificate_directories=_directories(
            values, "GATEWAY_ADMIN_CERTIFICATE_DIRECTORIES", data_dir
        ),
        public_networks=_networks(values, "GATEWAY_ADMIN_PUBLIC_NETWORKS"),
        challenge_host=values.get("GATEWAY_ADMIN_CHALLENGE_HOST") or "0.0.0.0,[::]",
        public_port=_port(values, "GATEWAY_ADMIN_DEMO_PUBLIC_PORT", 80),
        rate_limits=_choice(values, "GATEWAY_ADMIN_RATE_LIMITS", ("lets-encrypt", "none")),
        new_orders_limit=_granted(values, "GATEWAY_ADMIN_NEW_ORDERS_LIMIT"),
        certificates_per_domain_limit=_granted(
            values, "GATEWAY_ADMIN_CERTIFICATES_PER_DOMAIN_LIMIT"
        ),
        log_format=_choice(values, "GATEWAY_ADMIN_LOG_FORMAT", ("text", "json")),
        demo=values.get("GATEWAY_ADMIN_DEMO", "").lower() in ON,
        https=_behind_https(values),
        console_certificate=_console_certificate(values),
    )


def databases(configuration: Configuration) -> dict[str, object]:
    """Django's DATABASES.

    SQLite: WAL and IMMEDIATE so that console, worker and responder do not lock each other out;
    FULL because NORMAL may lose a committed key that the CA has already certified.
    Raises ConfigurationError for a URL that names no supported database.
    """
    try:
        database = dict(
            dj_database_url.parse(
                configuration.database_url, conn_max_age=60, conn_health_checks=True
            )
        )
    except (ValueError, KeyError) as error:
        raise ConfigurationError(
            "DATABASE_URL must look like sqlite:////path/to/file or postgres://user@host/name."
        ) from error
    engine = str(database.get("ENGINE", ""))
    if engine.endswith("sqlite3"):
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
    elif not engine.endswith("postgresql"):
        raise ConfigurationError("DATABASE_URL must start with sqlite:// or postgres://.")
    if configuration.database_password:
        database["PASSWORD"] = configuration.database_password
    return {"default": database}


def secret_from(environ: Mapping[str, str], variable: str, file: Path) -> str:
    """A secret's text: the variable, the file that VARIABLE_FILE names, or ``file``; else empty.

    Raises ConfigurationError when the file cannot be read, also where VARIABLE_FILE names it.
    """
    try:
        return Secret.of(environ, variable, file).read()
    except (OSError, ValueError) as error:
        raise ConfigurationError(str(error)) from error


def read_env_file(file: Path) -> dict[str, str]:
    """The KEY=VALUE lines of a file; empty lines and lines that start with # are passed over.

    Raises ConfigurationError for any other line, or when the file cannot be read.
    """
    try:
        text = file.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}.") from error
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        key, equals, value = stripped.partition("=")
        if not equals or not key.strip():
            raise ConfigurationError(f"{file}, line {number}: write it as NAME=VALUE.")
        values[key.strip()] = value.strip()
    return values


def _merged(environ: Mapping[str, str], data_dir: Path) -> dict[str, str]:
    given = {key: value for key, value in environ.items() if value}
    return read_env_file(data_dir / DEMO_FILE) | read_env_file(data_dir / OWNER_FILE) | given


def _broker_url(values: Mapping[str, str]) -> str:
    url = values.get("CELERY_BROKER_URL") or "filesystem://"
    parts = _split(url, "CELERY_BROKER_URL")
    if parts.scheme not in {"filesystem", "redis", "rediss", "redis+socket"}:
        raise ConfigurationError("CELERY_BROKER_URL must start with redis:// or filesystem://.")
    password = _from_file(values, "CELERY_BROKER_PASSWORD_FILE")
    if not password:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f":{quote(password, safe='')}@{host}"))


def _list(values: Mapping[str, str], variable: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in values.get(variable, "").split(",") if part.strip())


def _https(values: Mapping[str, str], variable: str, default: str) -> str:
    url = values.get(variable) or default
    parts = _split(url, variable)
    if parts.scheme != "https" or not parts.hostname:
        raise ConfigurationError(f"{variable} must be an address that starts with https://.")
    return url


def _readable(path: str, variable: str) -> Path:
    file = Path(path).absolute()
    if not file.is_file():
        raise ConfigurationError(f"{variable} names {file}, which is not a file.")
    return file


def _directories(values: Mapping[str, str], variable: str, data_dir: Path) -> tuple[Path, ...]:
    """They need not exist yet: a disk may be mounted later."""
    found = tuple(Path(part) for part in _list(values, variable))
    for directory in found:
        if not directory.is_absolute() or ".." in directory.parts or directory == Path("/"):
            raise ConfigurationError(
                f"{variable} must name directories below / by their whole paths, such as "
                f"/etc/letsencrypt, separated by commas; {directory} is none."
            )
        if directory.is_relative_to(data_dir):
            raise ConfigurationError(
                f"{variable} names {directory}, where this console keeps what is its own."
            )
    return found


def _networks(values: Mapping[str, str], variable: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part) for part in _list(values, variable))
    except ValueError as error:
        raise ConfigurationError(f"{variable}: {error}.") from error


def _behind_https(values: Mapping[str, str]) -> bool:
    """Whether a proxy speaks HTTPS for us; without trust in one every page would redirect."""
    is_on = values.get("GATEWAY_ADMIN_HTTPS", "").lower() in ON
    if is_on and not _list(values, "GATEWAY_ADMIN_TRUSTED_PROXIES"):
        raise ConfigurationError(
            "GATEWAY_ADMIN_HTTPS=on needs GATEWAY_ADMIN_TRUSTED_PROXIES: the address that the "
            "HTTPS proxy connects from, such as 127.0.0.1."
        )
    return is_on


def _console_certificate(values: Mapping[str, str]) -> str:
    """What the console speaks HTTPS with; empty for plain HTTP."""
    variable = "GATEWAY_ADMIN_CONSOLE_CERTIFICATE"
    value = values.get(variable, "")
    if not re.fullmatch(r"[-a-zA-Z0-9_]*", value):
        raise ConfigurationError(
            f"{variable} must be {SELF_SIGNED} or the short name of a gateway, such as default."
        )
    if value and values.get("GATEWAY_ADMIN_HTTPS", "").lower() in ON:
        raise ConfigurationError(
            "GATEWAY_ADMIN_HTTPS=on says that a proxy speaks HTTPS for the console, and "
            f"{variable} (or --tls) that it does so itself: leave one of the two out."
        )
    return value


def _port(values: Mapping[str, str], variable: str, default: int) -> int:
    text = values.get(variable) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65535):
        raise ConfigurationError(f"{variable} must be a port from 1 to 65535.")
    return int(text)


def _granted(values: Mapping[str, str], variable: str) -> int | None:
    text = values.get(variable, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 10_000_000):
        raise ConfigurationError(f"{variable} must be a whole number from 1 to 10000000.")
    return int(text)


def _choice(values: Mapping[str, str], variable: str, choices: tuple[str, ...]) -> str:
    value = values.get(variable) or choices[0]
    if value not in choices:
        raise ConfigurationError(f"{variable} must be one of: {', '.join(choices)}.")
    return value


def _from_file(values: Mapping[str, str], variable: str) -> str:
    name = values.get(variable, "")
    if not name:
        return ""
    try:
        return Path(name).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{variable} names {name}: {_why(error)}.") from error


def _split(url: str, variable: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise ConfigurationError(f"{variable} is no address: {error}.") from error


def _why(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "it is not UTF-8 text"
