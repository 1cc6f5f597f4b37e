"""Every reason why files cannot be imported, in one sentence each, and what to do about it."""

from __future__ import annotations

import dataclasses

from challenges.problems import Problem, Severity

MAX_FILE = 64 * 1024  # bytes
MAX_FILES = 10
MAX_CERTIFICATES = 10
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 4096

_NUMBERS = "no one two three four five six seven eight nine ten".split()
_KEYSTORE_COMMAND = (
    "Convert it: keytool -importkeystore -srckeystore FILE -destkeystore new.p12 "
    "-deststoretype PKCS12, and choose new.p12 here."
)
_WITH_CHAIN = (
    "Choose the file of the certificate with its chain, and the file of its private key or a PFX "
    "file that holds all of them."
)


def _problem(code: str, explanation: str, *remedy: str) -> Problem:
    return Problem(
        code=code, severity=Severity.ERROR, explanation=explanation, remedy=remedy or (_WITH_CHAIN,)
    )


# The files

TOO_LARGE = _problem(
    "file-too-large",
    "The file or text is larger than 64 KiB.",
    "Choose a file with the certificate, its chain and its private key alone.",
)
TOO_MANY_FILES = _problem(
    "too-many-files",
    f"More than {MAX_FILES} files were chosen.",
    "Choose only the files of this certificate, of its chain and of its private key.",
)
EMPTY = _problem(
    "file-empty",
    "The file is empty.",
    "Choose another copy; the one here may have been cut off when it was copied.",
)
CUT_OFF = _problem(
    "file-cut-off",
    "The file or text ends in the middle: a line that begins with -----BEGIN has no line with "
    "-----END that belongs to it.",
    "Choose the whole file, or copy the text with its first and its last line.",
)
NOT_RECOGNIZED = _problem(
    "file-not-recognized",
    "The file holds neither a certificate nor a private key in a form that is known here.",
    "Known are PEM, DER, PKCS#7 (.p7b) and PKCS#12 (.pfx or .p12).",
    _WITH_CHAIN,
)
WEB_PAGE = _problem(
    "file-is-web-page",
    "The file is a web page and not a certificate.",
    "Open the page in a browser, sign in if it asks for that, and download the certificate there.",
)
ARCHIVE = _problem(
    "file-is-archive",
    "The file is an archive such as ZIP.",
    "Unpack it, and choose the files of the certificate and of its chain in it.",
)
JAVA_KEYSTORE = _problem(
    "java-keystore",
    "The file is a Java keystore (JKS), which is not read here.",
    _KEYSTORE_COMMAND,
)
REQUEST_INSTEAD = _problem(
    "request-instead-of-certificate",
    "The file is a certificate request (CSR) and not the certificate that a CA makes from it.",
    "Send the request to the CA, and choose the certificate that it gives back.",
)
REVOCATION_LIST = _problem(
    "revocation-list",
    "The file is a revocation list (CRL) and not a certificate.",
    "Choose the file of the certificate.",
)

# Certificates

NO_CERTIFICATE = _problem("no-certificate-found", "The files hold no certificate.")
CERTIFICATE_UNREADABLE = _problem(
    "certificate-unreadable",
    "A certificate in the files is damaged or not a proper one.",
    "Fetch it again from where it was issued.",
)
CERTIFICATE_IMPROPER = dataclasses.replace(
    CERTIFICATE_UNREADABLE,
    remedy=("Have a proper one issued, or create a self-signed one here.",),
)
TOO_MANY_CERTIFICATES = _problem(
    "chain-too-long",
    f"The files hold more than {MAX_CERTIFICATES} different certificates.",
    "Leave out those that do not belong to the chain of this certificate.",
)
KEY_DOES_NOT_MATCH = _problem(
    "key-does-not-match",
    "The private key does not belong to the certificate.",
    "Choose the private key that was made for this certificate.",
)
OUT_OF_ORDER = _problem(
    "chain-out-of-order",
    "A certificate of the chain bears the issuer's name, but another one signed.",
    "Use the chain that the CA gave with this certificate.",
)

# Keys

NO_KEY = _problem("no-key-found", "The files hold no private key.")
NO_KEPT_KEY = _problem(
    "no-key-found",
    "The files hold no private key, and the certificate is for none of the keys that are kept "
    "here for this gateway.",
)
PUBLIC_KEY = _problem(
    "public-key-instead-of-private-key",
    "The file holds a public key and not the private key.",
    "Choose the file of the private key; its text begins with a line that ends with "
    "PRIVATE KEY-----.",
)
KEY_UNREADABLE = _problem(
    "key-unreadable", "The private key is damaged.", "Choose another copy of the private key."
)
KEY_NOT_SUPPORTED = _problem(
    "key-not-supported",
    f"Only RSA keys of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits and ECDSA keys can be used.",
    "Have a certificate issued for such a key.",
)
KEY_CIPHER = _problem(
    "key-cipher-not-supported",
    "The private key is encrypted in a way that is not known here.",
    "Encrypt it anew: openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out new-key.pem",
)
OPENSSH_KEY = _problem(
    "ssh-key",
    "The file is a key of OpenSSH.",
    "Choose the key that the certificate was requested with. If it is this one, convert a copy of "
    "it: ssh-keygen -p -m PKCS8 -f COPY",
)
PUTTY_KEY = _problem(
    "putty-key",
    "The file is a key of PuTTY.",
    "Choose the key that the certificate was requested with.",
)
PGP_KEY = _problem(
    "pgp-key",
    "The file is a key or a message of OpenPGP, which has nothing to do with TLS.",
    "Choose the key that the certificate was requested with.",
)
PASSWORD_MISSING = _problem(
    "password-missing",
    "The private key is encrypted; enter its password as well.",
    "Enter the password of the private key.",
)
PASSWORD_WRONG = _problem(
    "password-wrong",
    "The password does not open the private key.",
    "Enter the password that the private key was encrypted with.",
)
PFX_PASSWORD_MISSING = _problem(
    "password-missing",
    "The PFX file is protected by a password; enter it as well.",
    "Enter the password that the file was exported with.",
)
PFX_PASSWORD_WRONG = _problem(
    "password-wrong",
    "The password does not open this PFX file.",
    "Enter the password that the file was exported with.",
)
PFX_UNREADABLE = _problem(
    "pfx-unreadable",
    "The PFX file is damaged or of a kind that is not known here.",
    "Export it again, with the private key and all certificates of the chain.",
)
PFX_CIPHER_TOO_OLD = _problem(
    "pfx-cipher-too-old",
    "The PFX file is encrypted with an outdated method (RC2 or RC4) that this system has switched "
    "off.",
    "Export it again with AES256-SHA256: in Windows choose it in the export wizard, with OpenSSL "
    "3 leave out -legacy, with keytool use Java 17 or newer.",
)

# The reading process

TOO_COSTLY = _problem(
    "upload-too-costly",
    "Opening this upload takes more computing time or memory than is allowed.",
    "The protection by password has far too many rounds. Export the private key or the PFX file "
    "again with the usual ones.",
)
NOT_READ = _problem(
    "upload-not-read",
    "The upload could not be read, because the program that reads it failed.",
    "Convert the files to PEM and try again; the program's own log says more.",
)
TOO_SLOW = dataclasses.replace(
    _problem(
        "upload-reading-slow",
        "The upload could not be read in time, because this machine is too busy.",
        "Try again in a minute.",
    ),
    retryable=True,
)


def improper(sentence: str) -> Problem:
    """A certificate that can be read and cannot be kept, for the reason in the sentence."""
    return dataclasses.replace(CERTIFICATE_IMPROPER, explanation=sentence)


def several_keys(count: int, *, in_one_file: bool) -> Problem:
    """More keys than one, which would leave it to chance which of them is used."""
    holder = "This file holds" if in_one_file else "The files hold"
    number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    return _problem(
        "several-keys-found",
        f"{holder} {number} private keys.",
        "Choose the one private key that belongs to the certificate.",
    )
