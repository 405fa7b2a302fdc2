"""Stacks whose program checks the chain of a server in files: NSS and Java.

keytool has no command that verifies a chain. But it adds a certificate without a question only if
it has verified a path to a root in its keystore. It checks signatures, neither dates nor names.
"""

from __future__ import annotations

import os
from typing import List, Optional, Tuple

from zac.host import files, processes
from zac.stacks import programs
from zac.stacks.programs import Outcome, Stack, Target
from zac.trust import pem

# The keystore contains public certificates only, but its format requires a password.
STORE_OPTIONS = ("-storetype", "jks", "-storepass", "public", "-J-Duser.language=en")


def verify_with_nss(program: str, target: Target) -> Optional[Outcome]:
    """Verify the chain as that of a TLS server in a new database of NSS with the new root."""
    chain = _store_chain(target)
    if not chain:
        return None
    folder = os.path.join(target.folder, "nss")
    files.make_folder(folder)
    database = ("-d", "sql:" + folder)
    steps: List[Tuple[str, ...]] = [(program, "-N", *database, "--empty-password")]
    steps.append((program, "-A", *database, "-n", "root", "-t", "C,,", "-i", target.root))
    for number, path in enumerate(chain):
        steps.append((program, "-A", *database, "-n", "c%d" % number, "-t", ",,", "-i", path))
    if any(programs.run(*step).exit_code for step in steps):
        return None
    done = programs.run(program, "-V", *database, "-n", "c0", "-u", "V", "-e")
    if done.exit_code == 0:
        return programs.passed()
    return programs.rejected(done.last_line.rpartition("is invalid: ")[2])


def verify_with_java(program: str, target: Target) -> Optional[Outcome]:
    """Verify the signatures of the chain with a new keystore of Java with the new root."""
    chain = _store_chain(target)
    if not chain:
        return None
    store = os.path.join(target.folder, "java")
    options = ("-importcert", "-keystore", store, *STORE_OPTIONS)
    done = programs.run(program, *options, "-noprompt", "-alias", "root", "-file", target.root)
    if done.exit_code:
        # Without this message, Java itself did not start.
        is_result = "keytool error:" in done.output
        return programs.rejected(_read_error(done.output)) if is_result else None
    for number, path in enumerate(reversed(chain)):
        done = programs.run(program, *options, "-alias", "c%d" % number, "-file", path)
        if "Certificate was added to keystore" in done.output:
            continue
        if "already exists" in done.output:
            continue  # the server sends the root, too
        if "Certificate was not added to keystore" in done.output:
            return programs.rejected("no valid path to the new root")
        is_result = "keytool error:" in done.output
        return programs.rejected(_read_error(done.output)) if is_result else None
    return programs.passed()


def _read_error(output: str) -> str:
    return output.partition("keytool error:")[2].strip().splitlines()[0]


def _store_chain(target: Target) -> List[str]:
    """Store each certificate that the server sends in a file; return the paths, leaf first.

    Only OpenSSL can show them: older releases of Python have no function for it.
    """
    program = processes.find_program("openssl")
    if not program:
        return []
    done = programs.run(program, "s_client", "-connect", target.netloc, "-showcerts")
    paths = []
    for number, certificate in enumerate(pem.split(done.output)):
        path = os.path.join(target.folder, "chain%d.pem" % number)
        files.write(path, certificate.encode())
        paths.append(path)
    return paths


STACKS = (
    Stack("nss", "certutil", verify_with_nss),
    Stack("java", "keytool", verify_with_java),
)
