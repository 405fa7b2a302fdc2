"""Stacks whose program connects to a server: OpenSSL, GnuTLS, and curl."""

from __future__ import annotations

import re
from typing import List, Optional

from zac.stacks import programs
from zac.stacks.programs import Outcome, Stack, Target

_OPENSSL_ERROR = re.compile(r"verify error:num=\d+:(.+)")
_OPENSSL_CONNECT = re.compile(r"connect:errno=|gethostbyname|getaddrinfo|BIO_lookup")
_GNUTLS_STATUS = re.compile(r"Status: (The certificate is NOT trusted\. )?(.+)")
_GNUTLS_CONNECT = re.compile(r"Could not connect|Cannot resolve|getaddrinfo")
_CURL_ERROR = re.compile(r"curl: \(\d+\) (.+)")
# Exit codes of curl: host not found, connection failed, time limit, no or incomplete response.
_CURL_UNREACHABLE = (5, 6, 7, 28, 52, 55, 56)


def connect_with_openssl(program: str, target: Target) -> Optional[Outcome]:
    """Connect with the default checks of OpenSSL."""
    return _run_openssl(program, target, [])


def connect_with_strict_openssl(program: str, target: Target) -> Optional[Outcome]:
    """Connect with the strict checks of OpenSSL, which Python 3.13 and later use by default."""
    return _run_openssl(program, target, ["-x509_strict"])


def _run_openssl(program: str, target: Target, options: List[str]) -> Optional[Outcome]:
    name = "-verify_ip" if target.is_address else "-verify_hostname"
    done = programs.run(
        *(program, "s_client", "-connect", target.netloc, "-brief", "-no-CApath"),
        *("-CAfile", target.root, "-verify_return_error", name, target.host),
        *options,
    )
    error = _OPENSSL_ERROR.search(done.output)
    if error:
        return programs.rejected(error.group(1))
    if done.is_late or _OPENSSL_CONNECT.search(done.output):
        return programs.unreachable()
    if done.exit_code:
        # An old release prints its options if it does not know one. It has not checked anything.
        is_handshake = "SSL routines" in done.output
        return programs.rejected(_last_part(done.last_line)) if is_handshake else None
    return programs.passed()


def _last_part(line: str) -> str:
    """Return the reason in a line of the error queue of OpenSSL."""
    parts = [part for part in line.split(":") if part and not part.isdigit() and ".c" not in part]
    return parts[-1] if parts else line


def connect_with_gnutls(program: str, target: Target) -> Optional[Outcome]:
    """Connect with GnuTLS, which checks chain and name with the policy of the system."""
    done = programs.run(
        program, "--x509cafile", target.root, "--port", str(target.port), target.host
    )
    if done.exit_code == 0 and not done.is_late:
        return programs.passed()
    status = _GNUTLS_STATUS.search(done.output)
    if status:
        return programs.rejected(status.group(2))
    if done.is_late or _GNUTLS_CONNECT.search(done.output) or "connect" in done.last_line.lower():
        return programs.unreachable()
    return programs.rejected(done.last_line)


def connect_with_curl(program: str, target: Target) -> Optional[Outcome]:
    """Request a page with curl, without proxies and without its configuration file."""
    done = programs.run(
        *(program, "-q", "--silent", "--show-error", "--noproxy", "*", "--output", "/dev/null"),
        *("--cacert", target.root, "--capath", target.empty, "https://%s/" % target.netloc),
    )
    if done.exit_code == 0:
        return programs.passed()
    if done.is_late or done.exit_code in _CURL_UNREACHABLE:
        return programs.unreachable()
    error = _CURL_ERROR.search(done.output)
    return programs.rejected(error.group(1) if error else done.last_line)


STACKS = (
    Stack("openssl", "openssl", connect_with_openssl, ("version",)),
    Stack("openssl-strict", "openssl", connect_with_strict_openssl, ("version",)),
    Stack("gnutls", "gnutls-cli", connect_with_gnutls, ("--version",)),
    Stack("curl", "curl", connect_with_curl, ("--version",)),
)
