"""The web servers of the lab that are not ours: strangers on the internet, and one in the LAN."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.lab import authority, network
from tests.lab.authority import ServerFiles
from tests.lab.network import Network
from tests.lab.strangers import PORTS, Stranger
from tests.parts.processes import Process, find_program

# What nginx on the LAN serves, by port. The first three forward to the gateway.
PROXY = 8001
PROXY_TO_HTTPS = 8002
PROXY_HTTPS = 443
WELCOME_PAGE = 8003
HTTPS_UNTRUSTED = 8443
HTTPS_ERROR = 8444
HTTPS_OTHER = 8445
HTTPS_REDIRECT = 8446
HTTPS_OTHER_TIME = 8447
HTTPS_EXPIRED = 8448


def address_of(stranger: Stranger, *, six: bool = False) -> str:
    """Where on the internet this one is, on port 80."""
    number = list(Stranger).index(stranger) + 1
    return f"{network.STRANGERS_6}{number:x}" if six else f"{network.STRANGERS}{number}"


def port_of(stranger: Stranger) -> str:
    """Where in the LAN this one is: address and port."""
    return f"{network.NAS}:{PORTS[stranger]}"


def start(net: Network, files: ServerFiles, expired: ServerFiles, directory: Path) -> list[Process]:
    """Start them; each says "listening" when it is. The files are the CA's, good and expired."""
    # On the internet each has an address of its own: port 80 of it leads to the stranger's.
    rules = "\n".join(
        f"ip daddr {address_of(each)} tcp dport 80 redirect to :{PORTS[each]}\n"
        f"ip6 daddr {address_of(each, six=True)} tcp dport 80 redirect to :{PORTS[each]}"
        for each in Stranger
    )
    chains = "\n".join(
        f"chain {hook} {{\ntype nat hook {hook} priority -100;\n{rules}\n}}"
        for hook in ("prerouting", "output")
    )
    net.internet.rules(f"table inet nat {{\n{chains}\n}}")
    command = [sys.executable, "-m", "tests.lab.strangers"]
    _start_nginx(net, files, expired, directory)
    return [
        net.internet.start("strangers", command),
        net.nas.start("strangers", command),
        net.router.start("strangers", command),
    ]


def _start_nginx(net: Network, files: ServerFiles, expired: ServerFiles, directory: Path) -> None:
    other = authority.make_files(directory, "proxy.example")
    old = f"proxy_pass http://127.0.0.1:{PORTS[Stranger.OLD_CA]}; proxy_pass_header Date;"
    to_gateway = f"proxy_pass http://{network.GATEWAY}:8080; proxy_set_header Host $host;"
    servers = (
        (f"{PROXY}", f"location / {{ {to_gateway} }}"),
        (f"{PROXY_TO_HTTPS}", "return 301 https://$host$request_uri;"),
        (f"{PROXY_HTTPS} ssl", f"{_tls(other)} location / {{ {to_gateway} }}"),
        (f"{WELCOME_PAGE}", "root /nonexistent;"),
        (f"{HTTPS_UNTRUSTED} ssl", f"{_tls(other)} return 200 '{{}}';"),
        (f"{HTTPS_ERROR} ssl", f"{_tls(files)} return 503;"),
        (f"{HTTPS_OTHER} ssl", f"{_tls(files)} return 200 '<html>Log in</html>';"),
        (f"{HTTPS_REDIRECT} ssl", f"{_tls(files)} return 302 https://login.hotel-portal.net/;"),
        (f"{HTTPS_EXPIRED} ssl", f"{_tls(expired)} return 200 '{{}}';"),
        (f"{HTTPS_OTHER_TIME} ssl", f"{_tls(files)} location / {{ {old} }}"),
    )
    config = directory / "nginx.conf"
    config.write_text(
        f"""
        daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr;
        events {{ }}
        http {{
            access_log off; client_body_temp_path {directory}/body;
            proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
            uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
            {" ".join(f"server {{ listen {port}; {does} }}" for port, does in servers)}
        }}
        """
    )
    net.nas.start("nginx", [find_program("nginx", package="nginx-light"), "-c", config])


def _tls(files: ServerFiles) -> str:
    return f"ssl_certificate {files.certificate}; ssl_certificate_key {files.key};"
