"""The other side of P-3, in its own environment: django-ca signs CSRs from a file into SQLite.

`python peer.py FOLDER CSRS KEY` prints the CPU milliseconds of each certificate. It imports
nothing of this project, because django-ca is not among its packages.
"""

import sys
from pathlib import Path
from statistics import median
from time import process_time

import django
from cryptography import x509
from django.conf import settings
from django.core.management import call_command
from django.urls import include, path

ROUNDS = 3
KEYS = {"EC": ["--key-type", "EC"], "RSA": ["--key-type", "RSA", "--key-size", "4096"]}


def main(folder: str, requests: str, key: str) -> None:
    """Create a CA and sign all requests for several rounds."""
    pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    options = {"transaction_mode": "IMMEDIATE", "init_command": pragmas}
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/{key}.sqlite3"}
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    settings.configure(
        SECRET_KEY="bench" * 10,
        USE_TZ=True,
        DATABASES={"default": {**database, "OPTIONS": options}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_ca"],
        STORAGES={
            "default": storage,
            "django-ca": {**storage, "OPTIONS": {"location": f"{folder}/{key}"}},
        },
        CA_USE_CELERY=False,
    )
    django.setup()
    settings.ROOT_URLCONF = (path("", include("django_ca.urls")),)
    call_command("migrate", verbosity=0)
    call_command("init_ca", "Bench", f"CN=Bench {key}", *KEYS[key], verbosity=0)
    pems = Path(requests).read_bytes().split(b"\n\n")
    taken = [sign_all(pems) / len(pems) * 1000 for _ in range(ROUNDS)]
    print(median(taken))


def sign_all(pems: list[bytes]) -> float:
    """Check and sign as a caller of django-ca would; return the CPU seconds."""
    from django_ca.models import Certificate, CertificateAuthority

    ca = CertificateAuthority.objects.get()
    how = ca.key_backend.get_use_private_key_options(ca, {})
    start = process_time()
    for pem in pems:
        request = x509.load_pem_x509_csr(pem)
        assert request.is_signature_valid
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        Certificate.objects.create_cert(
            ca, how, request, subject=request.subject, extensions=[names]
        )
    return process_time() - start


if __name__ == "__main__":
    main(*sys.argv[1:])
