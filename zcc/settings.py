"""Django settings: defaults for a demo zone, changed by environment variables."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from csp.constants import NONE, SELF

from console.requests import logs
from zac import RELEASE
from zcc.installation import database
from zcc.runtime import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
# One version for the console, the agents, and zman.
VERSION = RELEASE

# Directory for the state: database, broker, data directories of servers.
ZCC_HOME = Path(env.text("ZCC_HOME", str(BASE_DIR / "var"))).absolute()
# Data directory of the Primary Server that this process runs on: vault keys, agent, content.
SERVER_HOME = Path(env.text("ZCC_SERVER_HOME", str(ZCC_HOME / "servers" / "ps-01"))).absolute()

DEBUG = env.flag("ZCC_DEBUG", default=False)


def _secret_key() -> str:
    """Return the secret key from the environment, or from the file that the first start creates."""
    given = env.text("ZCC_SECRET_KEY")
    path = ZCC_HOME / "django-secret.key"
    if given or not path.exists():
        return given or "not-yet-created-" + "x" * 50
    return path.read_text().strip()


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.items("ZCC_ALLOWED_HOSTS") or ["*"]
CSRF_TRUSTED_ORIGINS = env.items("ZCC_TRUSTED_ORIGINS")
# Whether servers can have loopback addresses. Only for a zone on one machine, as a demo zone is.
ALLOW_LOOPBACK = env.flag("ZCC_ALLOW_LOOPBACK", default=False)

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
    "console.middleware.RequestIdMiddleware",
    "console.middleware.PublicCheckMiddleware",
    "console.requests.proxies.ClientAddressMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "csp.middleware.CSPMiddleware",
    "console.requests.language.BrowserLanguageMiddleware",
    "console.requests.clock.ClockMiddleware",
    "zcc.setup.first_run.SetupMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "console.middleware.SessionLimitsMiddleware",
    "console.requests.language.UserLanguageMiddleware",
    "console.access.api_tokens.ApiTokenMiddleware",
    "devices.middleware.ActorAndZone",
    "administrators.middleware.RequiredStepMiddleware",
    "certificates.middleware.ExpiryWarnings",
    "console.middleware.FaultMiddleware",
    "console.middleware.HtmxResponseMiddleware",
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
                "console.pages.navigation.page_context",
                "certificates.progress.banner.banner_context",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "django.contrib.humanize.templatetags.humanize",
                "console.templatetags.console",
                "audit.templatetags.audit",
            ],
        },
    }
]

DATABASES = {
    "default": database.get_settings(
        env.text("ZCC_DATABASE_URL"),
        ZCC_HOME,
        is_pooled=env.flag("ZCC_DATABASE_POOLED", default=False),
    )
}
# Whether a server whose clock differs from that of the database stops to work (D-190).
COMPARE_CLOCKS = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "administrators.login.login.PasswordBackend",
    "administrators.login.login.CodeBackend",
    "administrators.login.login.PasskeyBackend",
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
    {"NAME": "administrators.login.passwords.RepetitionValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
# OpenID Connect: the name on the login page ("" turns it off), and the role for each group of the
# provider, for example zcc-ca=certificate-administrator.
OIDC_NAME = env.text("ZCC_OIDC_NAME")
OIDC_ISSUER = env.text("ZCC_OIDC_ISSUER")
OIDC_CLIENT_ID = env.text("ZCC_OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.text("ZCC_OIDC_CLIENT_SECRET")
OIDC_CA_FILE = env.text("ZCC_OIDC_CA_FILE")
OIDC_USER_CLAIM = env.text("ZCC_OIDC_USER_CLAIM", "preferred_username")
OIDC_GROUPS_CLAIM = env.text("ZCC_OIDC_GROUPS_CLAIM", "groups")
OIDC_ROLES = env.pairs("ZCC_OIDC_ROLES")
# Otherwise, each command and process would log the version of the package.
AXES_VERBOSE = False
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
# Attempts during a lockout are not verified, and do not count.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "administrators.login.delays.get_client_network"
AXES_HANDLER = "administrators.login.lockout.LockoutHandler"
AXES_LOCKOUT_TEMPLATE = "console/locked_out.html"
REAUTHENTICATE_AFTER_SECONDS = 300

# Notifications: the mail server as smtp://, smtp+starttls:// or smtps://user:password@host:port.
# Webhooks can reach public addresses and the networks in ZCC_WEBHOOK_NETWORKS.
_MAIL = env.mail_server("ZCC_SMTP_URL")
EMAIL_HOST, EMAIL_PORT = _MAIL.host, _MAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.user, _MAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL.starttls, _MAIL.tls
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("ZCC_MAIL_FROM", "zcc@localhost")
WEBHOOK_NETWORKS = env.networks("ZCC_WEBHOOK_NETWORKS")
WEBHOOK_CA_FILE = env.text("ZCC_WEBHOOK_CA_FILE")
# URL of the console for links in notifications (default: the first Primary Server).
CONSOLE_URL = env.text("ZCC_URL")

SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("ZCC_BEHIND_PROXY", default=False) else None
)
SECURE_SSL_REDIRECT = env.flag("ZCC_BEHIND_PROXY", default=False)
# Proxies whose X-Forwarded-For header is trusted: addresses or networks.
TRUSTED_PROXIES = env.networks("ZCC_TRUSTED_PROXIES")
# Health checks do not go through the proxy.
SECURE_REDIRECT_EXEMPT = [r"^(livez|readyz|healthz|roots\.pem|crl/[0-9a-f]+\.crl|ocsp(/.*)?)$"]
# With HSTS, browsers block access when the zone has a new CA that they do not trust yet. So it is
# only for consoles behind a proxy with a certificate of a public CA (D-64).
SECURE_HSTS_SECONDS = env.number("ZCC_HSTS_SECONDS", 0, minimum=0, maximum=63_072_000)
# Without a proxy, no redirect is needed, because the console only serves TLS.
SILENCED_SYSTEM_CHECKS = [
    *([] if SECURE_HSTS_SECONDS else ["security.W004"]),
    # HSTS for subdomains and preload lists is the decision of who runs the proxy.
    *("security.W005", "security.W021"),
    *([] if SECURE_SSL_REDIRECT else ["security.W008"]),
]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_ENGINE = "console.access.session_store"
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

# CA keys of this server are stored in a PKCS #11 token if a module is specified.
PKCS11_MODULE = env.text("ZCC_PKCS11_MODULE")
PKCS11_TOKEN = env.text("ZCC_PKCS11_TOKEN", "zcc")
PKCS11_PIN_FILE = env.file_path("ZCC_PKCS11_PIN_FILE")
# The address below which new certificates say that their CRL is, "" to say nothing (D-267).
CRL_URL = env.http_address("ZCC_CRL_URL")
# The address of the OCSP responder in new certificates, "" for none (D-284).
OCSP_URL = env.http_address("ZCC_OCSP_URL")
# The ports at which the worker validates names for ACME clients. Others are only for tests (D-303).
ACME_HTTP_PORT = env.number("ZCC_ACME_HTTP_PORT", 80, minimum=1, maximum=65_535)
ACME_TLS_PORT = env.number("ZCC_ACME_TLS_PORT", 443, minimum=1, maximum=65_535)
# The worker takes the CA key out of this server only after manage.py confirm_job (D-172).
CONFIRM_KEY_JOBS = env.flag("ZCC_CONFIRM_KEY_JOBS", default=bool(env.text("ZCC_CA_VAULT")))
# The worker creates backups if it has both: a directory, and the public key for which backups are
# encrypted (D-196).
BACKUP_DIRECTORY = env.file_path("ZCC_BACKUP_DIRECTORY")
BACKUP_RECIPIENT = env.text("ZCC_BACKUP_RECIPIENT")
BACKUP_KEEP = env.number("ZCC_BACKUP_KEEP", 14, minimum=1, maximum=10_000)

# Pages are in the language of the user. What is stored, signed, logged, or sent is in English.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# The state is in the database. Tasks have no results, no delays, and no pickled data.
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
# A worker does not end while the broker is down, or responds with errors because its disk is full.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 2,
    "socket_connect_timeout": 2,
    "visibility_timeout": 60,
}

# JSON lines, or text on a terminal. Secrets are removed from both.
LOG_FORMAT = env.log_format()
# Syslog server that also receives audit log checkpoints: /dev/log, or host:port (UDP).
SYSLOG = env.text("ZCC_SYSLOG")
LOGGING = logs.build_settings(
    kind=LOG_FORMAT, part=env.text(env.PART), level=env.text("ZCC_LOG_LEVEL", "INFO")
)
