"""Django's settings for the console, the worker and the commands: wiring, no decisions."""

from __future__ import annotations

import datetime
import os
import secrets
import sys
from pathlib import Path

from csp.constants import NONE, SELF

from gateway_admin import logs
from gateway_admin.configuration import databases, load, secret_from
from gateway_admin.secret import Secret

BASE_DIR = Path(__file__).resolve().parent.parent
CONFIGURATION = load()
# A clock before this day is certainly wrong: this version did not exist then.
BUILT_AT = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)

# Until the data directory is prepared there is nothing that a key could have signed.
SECRET_KEY = secret_from(
    os.environ, "GATEWAY_ADMIN_SECRET_KEY", CONFIGURATION.secret_key_file
) or secrets.token_urlsafe(64)
# A function, so that the keys are in no dump of the settings and are read when they are needed:
# the file may be another one by then.
_ENCRYPTION_KEYS = Secret.of(
    os.environ, "GATEWAY_ADMIN_ENCRYPTION_KEYS", CONFIGURATION.encryption_keys_file
)
READ_ENCRYPTION_KEYS = _ENCRYPTION_KEYS.read
# The file that a rotation may write; None where the owner gives the keys.
ENCRYPTION_KEYS_FILE = _ENCRYPTION_KEYS.own_file
DEBUG = False
ALLOWED_HOSTS = [*CONFIGURATION.allowed_hosts, "localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "gateway_admin",
    "certificates",
    "challenges",
    "csp",
    "django_htmx",
    "heroicons",
    "whitenoise.runserver_nostatic",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "gateway_admin.access.AccessMiddleware",
]
ROOT_URLCONF = "gateway_admin.urls"
WSGI_APPLICATION = "gateway_admin.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "gateway_admin.context.console",
            ],
        },
    },
]

DATABASES = databases(CONFIGURATION)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "gateway_admin.User"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "sign_in"
CSRF_FAILURE_VIEW = "gateway_admin.views.errors.csrf_failure"

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = bool(
    CONFIGURATION.https or CONFIGURATION.console_certificate
)
SECURE_SSL_REDIRECT = CONFIGURATION.https
SESSION_COOKIE_AGE = 12 * 60 * 60
# Not where the console speaks HTTPS itself: browsers that have been told would let nobody past a
# certificate of its own, nor past an expired one, just when the console is needed to replace it.
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if CONFIGURATION.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SECURE_REFERRER_POLICY = "same-origin"
# Health is asked on the machine itself, without TLS. That a trusted proxy was reached over HTTPS
# Gunicorn says, which knows the peer (FORWARDED_ALLOW_IPS); a header alone proves nothing.
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
# The names are the owner's own and other services may share them, so neither is ours to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}
# Pasted texts, and ten files of 64 KiB with what stands around them. Of texts and files more are
# taken than are read, so that the form itself can say so and keep what was typed.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 1000
FILE_UPLOAD_MAX_MEMORY_SIZE = 768 * 1024
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served from the source tree: there is no build step, and no second copy to go stale.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

LOGGING = logs.configuration(CONFIGURATION.log_format)

# All three, because Celery would prefer the environment's CELERY_BROKER_URL to the first alone,
# and that one lacks a password that was given by file.
CELERY_BROKER_URL = CELERY_BROKER_READ_URL = CELERY_BROKER_WRITE_URL = CONFIGURATION.broker_url
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Back soon after the broker is, however long that was away.
CELERY_WORKER_CONSUMER = "gateway_admin.consumer:Consumer"
# After a reconnect Celery would take fewer messages at a time, and has been seen to leave it so.
CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION = False
# Concerns late acknowledgement, which we do not use; saying nothing brings a warning each time.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
# Who sends a message does not wait for a broker that is away: the sweep finds the row anyway.
_CONNECT_ONCE = {"max_retries": 1, "interval_start": 0.2, "interval_step": 0, "interval_max": 0.2}
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        "data_folder_in": str(CONFIGURATION.data_dir / "broker"),
        "data_folder_out": str(CONFIGURATION.data_dir / "broker"),
        "polling_interval": 0.05,
    }
    if CONFIGURATION.broker_url.startswith("filesystem:")
    else {
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        # A consumer whose connection leads nowhere finds out and connects anew within 7 seconds.
        "health_check_interval": 3,
        **_CONNECT_ONCE,
    }
)
CELERY_TASK_IGNORE_RESULT = True
# Never: see keep_sound_connections in celery.py.
CELERY_DB_REUSE_MAX = sys.maxsize
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BEAT_SCHEDULER = "gateway_admin.beat:HeartbeatScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_BEAT_SCHEDULE = {
    # A message that nobody took in time is worthless: the next one says the same.
    "heartbeat": {
        "task": "certificates.tasks.heartbeat",
        "schedule": 10.0,
        "options": {"expires": 30},
    },
    # A change is to be noticed within a minute.
    "follow": {
        "task": "certificates.tasks.follow",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "inquire": {
        "task": "certificates.tasks.inquire",
        "schedule": 60.0,
        "options": {"expires": 120},
    },
    "mend": {
        "task": "certificates.tasks.mend",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "repair": {
        "task": "certificates.tasks.repair",
        "schedule": 60.0 * 60,
        "options": {"expires": 60 * 60},
    },
    "sweep": {
        "task": "certificates.tasks.sweep",
        "schedule": 30.0,
        "options": {"expires": 60},
    },
}
