"""Django's settings for the challenge port's process: tokens from the database, nothing else.

It is the one process that strangers talk to, so it reads no signing key and no encryption keys.
"""

from __future__ import annotations

from gateway_admin import logs
from gateway_admin.configuration import databases, load

CONFIGURATION = load()

DEBUG = False
# A CA, or the preflight, asks by whatever name the gateway has; nothing here depends on it.
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["challenges"]
MIDDLEWARE: list[str] = []
TEMPLATES: list[dict[str, object]] = []
ROOT_URLCONF = "challenges.responder"
WSGI_APPLICATION = "challenges.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

DATABASES = databases(CONFIGURATION)
_default = DATABASES["default"]
if isinstance(_default, dict):
    # Short, so that a connection to a database that has since been restored is soon given up.
    _default["CONN_MAX_AGE"] = 5
    # Whoever asks for a token waits for the database, but a CA does not wait for long.
    _default["OPTIONS"] = {
        **_default.get("OPTIONS", {}),
        **(
            {"timeout": 2}
            if _default["ENGINE"] == "django.db.backends.sqlite3"
            else {
                "connect_timeout": 2,
                "options": "-c statement_timeout=2000",
                "tcp_user_timeout": 3000,
                # For a server that has vanished while it was waited for.
                "keepalives": 1,
                "keepalives_idle": 2,
                "keepalives_interval": 1,
                "keepalives_count": 3,
            }
        ),
    }

CHALLENGE_HOST = CONFIGURATION.challenge_host

LOGGING = logs.configuration(CONFIGURATION.log_format)
LOGGING["loggers"] |= {  # type: ignore[operator]
    "challenges": {"level": "INFO"},
    # A stranger's bad request is no news, and a line for each would fill the disk.
    "django.request": {"level": "CRITICAL"},
    "django.security": {"level": "CRITICAL"},
}
