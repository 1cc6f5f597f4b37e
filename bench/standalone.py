"""The server of certbot's standalone mode (acme.standalone) with one token: `… standalone PORT`."""

from __future__ import annotations

import signal
import sys

from acme import challenges
from acme.standalone import HTTP01DualNetworkedServers, HTTP01RequestHandler
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.json_util import decode_b64jose
from josepy.jwk import JWK, JWKEC

from tests.challenges.conftest import TOKEN


def main(port: int) -> None:
    """As certbot's own plugin starts it."""
    challenge = challenges.HTTP01(token=decode_b64jose(TOKEN))
    key: JWK = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
    response, validation = challenge.response_and_validation(key)
    resource = HTTP01RequestHandler.HTTP01Resource(challenge, response, validation)
    HTTP01DualNetworkedServers(("", port), {resource}).serve_forever()
    signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]))
