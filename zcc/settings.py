"""One file of settings: defaults that work on a bare machine, overrides from the environment."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import quote

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from zcc.runtime import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"

# Where this installation keeps its state (database, broker, homes of servers).
ZCC_HOME = Path(env.text("ZCC_HOME", str(BASE_DIR / "var"))).absolute()
# The home of the Primary Server this process runs on: vault keys, agent files, content.
SERVER_HOME = Path(env.text("ZCC_SERVER_HOME", str(ZCC_HOME / "servers" / "ps-01"))).absolute()

DEBUG = env.flag("ZCC_DEBUG", default=False)


def _secret_key() -> str:
    """Return Django's key; without one in the environment the first start makes a file of it."""
    given = env.text("ZCC_SECRET_KEY")
    path = ZCC_HOME / "django-secret.key"
    if given or not path.exists():
        return given or "not-yet-created-" + "x" * 50
    return path.read_text().strip()


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.items("ZCC_ALLOWED_HOSTS") or ["*"]
CSRF_TRUSTED_ORIGINS = env.items("ZCC_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "zcc",
    "certificates",
    "systemupdates",
    "administrators",
    "notifications",
    "devices",
    "audit",
    "console",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
    "ninja",
    "axes",
    "csp",
]
MIDDLEWARE = [
    "console.middleware.RequestId",
    "console.requests.proxies.ClientAddress",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "csp.middleware.CSPMiddleware",
    "zcc.setup.first_run.ToSetup",
    "console.middleware.NobodyAsks",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "console.middleware.SessionLimits",
    "console.access.api_tokens.Tokens",
    "devices.middleware.ActorAndZone",
    "administrators.middleware.Duties",
    "certificates.middleware.ExpiryWarnings",
    "console.middleware.FaultsToPages",
    "console.middleware.HtmxAnswers",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "zcc.urls"
WSGI_APPLICATION = "zcc.wsgi.application"
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
                "console.pages.navigation.frame",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "console.templatetags.console",
            ],
        },
    }
]

DATABASES = {
    "default": dj_database_url.parse(
        env.text("ZCC_DATABASE_URL", f"sqlite:///{quote(str(ZCC_HOME / 'zcc.sqlite3'))}"),
        conn_max_age=60,
        # A connection that a restart of the database has cut is noticed before it is used.
        conn_health_checks=True,
    )
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Writers queue instead of failing: IMMEDIATE, WAL, a long busy timeout (S-110).
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # With the usual 2 MiB a large assignment reads its index from the disk again and again.
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;"
        ),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "administrators.login.login.PasswordAndRoles",
    "administrators.login.login.Code",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
# OpenID Connect: the name on the login page (without one there is none), and which group of the
# provider gives which role, such as zcc-ca=certificate-administrator.
OIDC_NAME = env.text("ZCC_OIDC_NAME")
OIDC_ISSUER = env.text("ZCC_OIDC_ISSUER")
OIDC_CLIENT_ID = env.text("ZCC_OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.text("ZCC_OIDC_CLIENT_SECRET")
OIDC_CA_FILE = env.text("ZCC_OIDC_CA_FILE")
OIDC_USER_CLAIM = env.text("ZCC_OIDC_USER_CLAIM", "preferred_username")
OIDC_GROUPS_CLAIM = env.text("ZCC_OIDC_GROUPS_CLAIM", "groups")
OIDC_ROLES = env.pairs("ZCC_OIDC_ROLES")
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_HANDLER = "administrators.login.lockout.Handler"
AXES_LOCKOUT_TEMPLATE = "console/locked_out.html"
REAUTHENTICATE_AFTER_SECONDS = 300

# Notifications: the mail server as smtp://, smtp+starttls:// or smtps://user:password@host:port;
# webhooks reach public addresses, and networks that are named here.
_MAIL = env.mail_server("ZCC_SMTP_URL")
EMAIL_HOST, EMAIL_PORT = _MAIL.host, _MAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.user, _MAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL.starttls, _MAIL.tls
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("ZCC_MAIL_FROM", "zcc@localhost")
WEBHOOK_NETWORKS = env.networks("ZCC_WEBHOOK_NETWORKS")
WEBHOOK_CA_FILE = env.text("ZCC_WEBHOOK_CA_FILE")
# Where people reach the console, for links in notifications (else: the first Primary Server).
CONSOLE_URL = env.text("ZCC_URL")

SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("ZCC_BEHIND_PROXY", default=False) else None
)
SECURE_SSL_REDIRECT = env.flag("ZCC_BEHIND_PROXY", default=False)
# Proxies that are believed about whom they speak for (X-Forwarded-For): addresses or networks.
TRUSTED_PROXIES = env.networks("ZCC_TRUSTED_PROXIES")
# A probe asks the process itself, past the proxy.
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
# A browser that remembers HSTS lets nobody pass when the zone has a new CA that it does not know
# yet. So it is for consoles behind a proxy with a certificate of a public CA (D-64).
SECURE_HSTS_SECONDS = env.number("ZCC_HSTS_SECONDS", 0, least=0, most=63_072_000)
# Without a proxy there is nothing to redirect from: the console speaks TLS and nothing else.
SILENCED_SYSTEM_CHECKS = [
    *([] if SECURE_HSTS_SECONDS else ["security.W004"]),
    # Of a whole domain, and of browsers' lists: what a proxy is for may decide that.
    *("security.W005", "security.W021"),
    *([] if SECURE_SSL_REDIRECT else ["security.W008"]),
]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_NAME = "__Host-session"
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_NAME = "__Host-csrf"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "console.pages.errors.csrf_failure"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("ZCC_STATIC_ROOT", str(ZCC_HOME / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# The CA keys made on this server are kept in a PKCS#11 token where one is named (B-27).
PKCS11_MODULE = env.text("ZCC_PKCS11_MODULE")
PKCS11_TOKEN = env.text("ZCC_PKCS11_TOKEN", "zcc")
PKCS11_PIN_FILE = env.place("ZCC_PKCS11_PIN_FILE")

LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"

# Celery carries work; the rows are the truth. No result, no eta, nothing pickled.
CELERY_BROKER_URL = env.text(
    "ZCC_BROKER_URL", f"redis+socket://{quote(str(ZCC_HOME / 'valkey.sock'))}"
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 2,
    "socket_connect_timeout": 2,
    "visibility_timeout": 60,
}
SWEEP_SECONDS = 2

# Lines of JSON for programs, unless a person reads them; both without secrets (console/logs.py).
LOG_FORMAT = env.text("ZCC_LOG_FORMAT", "text" if sys.stderr.isatty() else "json")
if LOG_FORMAT not in ("json", "text"):
    raise ImproperlyConfigured(f"ZCC_LOG_FORMAT must be json or text, not {LOG_FORMAT!r}.")
# Where the signed heads of the audit chain go besides the file: /dev/log, or host:port (UDP).
SYSLOG = env.text("ZCC_SYSLOG")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {
            "()": "console.requests.logs.Line",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        },
        "json": {"()": "console.requests.logs.Json"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": env.text("ZCC_LOG_LEVEL", "INFO")},
    # Django's own lines of a refused request say less than ours.
    "loggers": {"django.request": {"level": "ERROR"}},
}
