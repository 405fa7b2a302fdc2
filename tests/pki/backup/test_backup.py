"""The backup of a CA and its passphrase (manual, 1.2.7 and 1.2.8; docs/decisions.md D-31)."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import subprocess
import unicodedata
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pki import keys
from pki.backup import archive, backup
from pki.backup.backup import BackupContents, read_backup, read_backup_manifest, write_backup
from pki.backup.passphrases import check_passphrase
from pki.certificates.details import get_digest
from pki.errors import BadBackup, CannotOpen, UnreadableBackup, WeakPassphrase, WrongKey
from pki.protection import zone_key
from tests.pki import factories
from tests.pki.factories import NOW

PASSPHRASE = "correct horse battery"
OLD, NEW = factories.ca("Old"), factories.ca("New", which=1)
ZONE_KEY = zone_key.generate_zone_key()[0]


CONTENTS = BackupContents(
    zone="5f0c",
    zone_name="Zone \u00dc",
    created=NOW,
    ca_key_pem=NEW.key,
    ca_chain_pem=NEW.pem,
    zone_key=ZONE_KEY,
    cross_certificates=[
        factories.cross_certificate(OLD, NEW),
        factories.cross_certificate(NEW, OLD),
    ],
    issued_jsonl='{"serial": "1"}\n',
    settings_json='{"days": 365}',
)


DERIVE = functools.cache(backup._derive_key)


@pytest.fixture(autouse=True)
def _quick_kdf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the least costly parameters that are allowed, and derive each key once."""
    monkeypatch.setattr(backup, "SCRYPT_N", archive.ALLOWED_SCRYPT_N[0])
    monkeypatch.setattr(backup, "_derive_key", DERIVE)


@functools.cache
def made() -> bytes:
    """Return a backup made with the least costly parameters that are allowed."""
    return write_backup(CONTENTS, PASSPHRASE, now=NOW)


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(*parts: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as file:
        for name, content in parts:
            file.writestr(zipfile.ZipInfo(name), content, compression)
    return target.getvalue()


def with_manifest(**changes: Any) -> bytes:
    """Return the backup with another manifest, canonical as the reader wants it."""
    parts = members(made())
    manifest = json.loads(parts[archive.MANIFEST])
    for path, value in changes.items():
        *above, last = path.split("__")
        functools.reduce(lambda here, step: here[step], above, manifest)[last] = value
    head = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    return zipped((archive.MANIFEST, head), (archive.PAYLOAD, parts[archive.PAYLOAD]))


def test_what_is_backed_up_is_read_back() -> None:
    assert read_backup(made(), PASSPHRASE) == CONTENTS


def test_the_longest_list_of_certificates_is_read_back() -> None:
    contents = replace(CONTENTS, issued_jsonl="x" * archive.MAX_ISSUED)
    assert read_backup(write_backup(contents, PASSPHRASE, now=NOW), PASSPHRASE) == contents


@pytest.mark.parametrize(
    "changes",
    [
        {"issued_jsonl": "x" * archive.MAX_PAYLOAD},
        {"cross_certificates": CONTENTS.cross_certificates * 40},
        {"zone_name": "x" * archive.MAX_MANIFEST},
    ],
)
def test_no_backup_is_created_that_would_be_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableBackup, match="Restore CA would reject it"):
        write_backup(replace(CONTENTS, **changes), PASSPHRASE, now=NOW)


def test_it_states_the_format_of_its_two_members() -> None:
    parts = members(made())
    assert list(parts) == ["manifest.json", "payload.enc"]
    manifest = json.loads(parts["manifest.json"])
    assert manifest["format"] == "zcc-ca-backup"
    assert manifest["version"] == 1
    assert manifest["ca_sha256"] == get_digest(NEW.pem)
    assert manifest["kdf"] | {"salt": "", "n": 0} == {
        "name": "scrypt",
        "n": 0,
        "r": 8,
        "p": 1,
        "salt": "",
    }
    assert manifest["cipher"]["name"] == "AES-256-GCM"
    assert set(manifest) == {
        "format",
        "version",
        "zone",
        "zone_name",
        "ca_subject",
        "ca_sha256",
        "created",
        "kdf",
        "cipher",
    }


def test_the_product_uses_a_costly_kdf() -> None:
    import importlib

    source = Path(str(importlib.import_module("pki.backup.backup").__file__)).read_text()
    assert "N = 2**17" in source


def test_a_look_without_passphrase_tells_whose_it_is() -> None:
    found = read_backup_manifest(made())
    assert (found.zone, found.zone_name, found.created) == ("5f0c", "Zone \u00dc", NOW)
    assert (found.ca_subject, found.ca_sha256) == ("CN=New", get_digest(NEW.pem))


def test_nothing_secret_stands_in_the_clear() -> None:
    assert b"PRIVATE" not in made()
    assert b"serial" not in made()
    assert ZONE_KEY not in repr(CONTENTS)
    assert "PRIVATE" not in repr(CONTENTS)


def test_two_backups_share_neither_salt_nor_nonce() -> None:
    one, two = (read_backup_manifest(write_backup(CONTENTS, PASSPHRASE, now=NOW)) for _ in range(2))
    assert one.salt != two.salt
    assert one.nonce != two.nonce


def message(data: bytes, passphrase: str = PASSPHRASE) -> str:
    with pytest.raises(CannotOpen) as caught:
        read_backup(data, passphrase)
    assert caught.value.__cause__ is None
    return caught.value.explanation


def test_a_wrong_passphrase_and_tampering_give_the_same_message() -> None:
    expected = message(made(), "wrong horse battery")
    assert "passphrase" in expected
    parts = members(made())
    payload = bytearray(parts["payload.enc"])
    payload[0] ^= 1
    changed = zipped(("manifest.json", parts["manifest.json"]), ("payload.enc", bytes(payload)))
    assert message(changed) == expected
    assert message(with_manifest(zone="other")) == expected
    assert message(with_manifest(kdf__salt="00" * 16)) == expected
    assert message(with_manifest(kdf__n=2**18 + 1)) == expected
    assert message(made(), PASSPHRASE + " ") == expected
    assert message(made(), "") == expected


def test_no_changed_octet_of_either_member_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    # The right key is given to whoever has the right parameters; scrypt is not what is tried.
    right = read_backup_manifest(made())
    key = DERIVE(PASSPHRASE, right)

    def derive(passphrase: str, manifest: archive.Manifest) -> bytes:
        asked = (passphrase, manifest.salt, manifest.n)
        is_right = asked == (PASSPHRASE, right.salt, right.n)
        return key if is_right else hashlib.sha256(repr(asked).encode()).digest()

    monkeypatch.setattr(backup, "_derive_key", derive)
    assert read_backup(made(), PASSPHRASE) == CONTENTS
    parts = members(made())
    tried = 0
    for name, content in parts.items():
        for at in range(len(content)):
            changed = bytearray(content)
            changed[at] ^= 1 << at % 8
            both = parts | {name: bytes(changed)}
            with pytest.raises(CannotOpen):
                read_backup(archive.write_zip(both), PASSPHRASE)
            tried += 1
    assert tried == sum(map(len, parts.values())) > 2000


def test_members_that_are_exchanged_or_cut_are_refused() -> None:
    parts = members(made())
    other = members(write_backup(CONTENTS, PASSPHRASE, now=NOW))
    mixed = [
        zipped(("manifest.json", other["manifest.json"]), ("payload.enc", parts["payload.enc"])),
        zipped(("manifest.json", parts["manifest.json"]), ("payload.enc", b"")),
        zipped(
            ("manifest.json", parts["manifest.json"]), ("payload.enc", parts["payload.enc"][:-1])
        ),
        zipped(
            ("manifest.json", b" " + parts["manifest.json"]), ("payload.enc", parts["payload.enc"])
        ),
    ]
    for data in mixed:
        message(data)


HEAD, BODY = b"{}", b"x"
# Octets that deflate leaves as many as they are.
AS_LONG = next(
    b"a" * size for size in range(1, 20) if len(zlib.compress(b"a" * size, wbits=-15)) == size
)
OTHER_FILES = {
    "nothing": b"",
    "no zip": b"hello",
    "one member": zipped(("manifest.json", HEAD)),
    "three members": zipped(("manifest.json", HEAD), ("payload.enc", BODY), ("x", BODY)),
    "another name": zipped(("manifest.json", HEAD), ("../payload.enc", BODY)),
    "absolute": zipped(("manifest.json", HEAD), ("/payload.enc", BODY)),
    "compressed": zipped(
        ("manifest.json", HEAD), ("payload.enc", BODY), compression=zipfile.ZIP_DEFLATED
    ),
    "compressed to the same size": zipped(
        ("manifest.json", AS_LONG), ("payload.enc", AS_LONG), compression=zipfile.ZIP_DEFLATED
    ),
    "bomb": zipped(
        ("manifest.json", HEAD),
        ("payload.enc", b"\0" * 2**22),
        compression=zipfile.ZIP_DEFLATED,
    ),
    "manifest too large": zipped(("manifest.json", b" " * 16_385), ("payload.enc", BODY)),
    "payload too large": zipped(("manifest.json", HEAD), ("payload.enc", b"\0" * (8 * 2**20 + 1))),
    "cut short": made()[:-30],
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_what_is_no_backup_is_refused(kind: str) -> None:
    for read in (read_backup_manifest, functools.partial(read_backup, passphrase=PASSPHRASE)):
        with pytest.raises(BadBackup):
            read(OTHER_FILES[kind])


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_comes_twice_is_refused() -> None:
    parts = members(made())
    twice = zipped(*parts.items(), ("payload.enc", parts["payload.enc"]))
    with pytest.raises(BadBackup):
        read_backup(twice, PASSPHRASE)


@pytest.mark.parametrize(
    "changes",
    [
        {"kdf__n": 2**14},
        {"kdf__n": 2**19},
        {"kdf__n": 2**30},
        {"kdf__n": "32768"},
        {"kdf__n": 32768.0},
        {"kdf__n": True},
        {"kdf__r": 16},
        {"kdf__p": 4},
        {"kdf__name": "argon2"},
        {"kdf__salt": "00"},
        {"kdf__salt": 5},
        {"kdf": []},
        {"cipher__nonce": "00"},
        {"cipher__name": "none"},
        {"version": 2},
        {"format": "other"},
        {"created": "yesterday"},
        {"created": 5},
        {"zone": 5},
        {"more": 1},
    ],
)
def test_a_hostile_manifest_starts_no_kdf(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    def never(*_: Any) -> bytes:
        raise AssertionError("the KDF was started")

    monkeypatch.setattr(backup, "_derive_key", never)
    data = with_manifest(**changes)
    message(data)
    with pytest.raises(CannotOpen):
        read_backup_manifest(data)


def test_a_manifest_that_is_no_object_is_refused() -> None:
    for head in (b"", b"[]", b"5", b"null", b"\xff", b"[" * 10_000):
        with pytest.raises(CannotOpen):
            read_backup_manifest(zipped(("manifest.json", head), ("payload.enc", b"x")))


def sealed(inner: bytes) -> bytes:
    """Return a backup that opens, with an inner zip of anybody's making."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    head = members(made())["manifest.json"]
    manifest = archive.parse_manifest(head)
    key = backup._derive_key(PASSPHRASE, manifest)
    body = AESGCM(key).encrypt(manifest.nonce, inner, head)
    return archive.write_zip({"manifest.json": head, "payload.enc": body})


def inner(**changes: bytes | None) -> bytes:
    parts = backup._serialize_contents(CONTENTS) | changes
    return archive.write_zip({name: part for name, part in parts.items() if part is not None})


@pytest.mark.parametrize(
    "changes",
    [
        {"../evil": b"x"},
        {"/etc/passwd": b"x"},
        {"cross/../x.pem": b"x"},
        {"more.txt": b"x"},
        {"ca-key.pem": None},
        {"ca-key.pem": factories.key(256, 77).encode()},
        {"ca-key.pem": b"\xff"},
        {"ca-chain.pem": OLD.pem.encode()},
        {"zone-signing-key.pem": b"x"},
    ],
)
def test_an_inner_zip_that_is_not_as_it_must_be_is_refused(
    changes: dict[str, bytes | None],
) -> None:
    assert read_backup(sealed(inner()), PASSPHRASE) == CONTENTS
    message_of(sealed(inner(**changes)))
    message_of(sealed(b"no zip"))


def message_of(data: bytes) -> None:
    with pytest.raises(CannotOpen):
        read_backup(data, PASSPHRASE)


def test_a_key_that_is_not_the_ca_s_is_not_backed_up() -> None:
    with pytest.raises(WrongKey):
        write_backup(replace(CONTENTS, ca_key_pem=OLD.key), PASSPHRASE, now=NOW)


@pytest.mark.parametrize(
    "passphrase",
    [
        "",
        "short",
        "ninechars",
        "1234567890",
        "0987654321",
        "abcdefghij",
        "password123",
        "Passw0rd2024!",
        "QWERTYUIOP",
        "administrator",
        "aaaaaaaaaaaa",
        "ababababab",
        "a\u0308" * 9,
        "x" * 1025,
        "lone surrogate \ud800",
    ],
)
def test_a_weak_passphrase_is_refused(passphrase: str) -> None:
    with pytest.raises(WeakPassphrase) as caught:
        write_backup(CONTENTS, passphrase, now=NOW)
    assert caught.value.field == "passphrase"
    assert not passphrase or passphrase not in str(caught.value)


@pytest.mark.manual("R111")
def test_ten_characters_are_enough_and_nothing_is_trimmed() -> None:
    check_passphrase("tr0ub4dor&")
    check_passphrase(" " * 3 + "x7 q9 z")
    data = write_backup(CONTENTS, " leading and trailing ", now=NOW)
    message(data, "leading and trailing")


def test_a_passphrase_is_the_same_however_it_is_composed() -> None:
    composed = "gr\u00fc\u00dfe aus K\u00f6ln"
    data = write_backup(CONTENTS, composed, now=NOW)
    assert read_backup(data, unicodedata.normalize("NFD", composed)) == CONTENTS


def test_it_can_be_recovered_with_openssl_alone(tmp_path: Path) -> None:
    (tmp_path / "backup.zip").write_bytes(made())
    for name, content in members(made()).items():
        (tmp_path / name).write_bytes(content)
    script = r"""
        set -eu
        S=$(sed 's/.*"salt":"\([0-9a-f]*\)".*/\1/' manifest.json)
        N=$(sed 's/.*"n":\([0-9]*\).*/\1/' manifest.json)
        NONCE=$(sed 's/.*"nonce":"\([0-9a-f]*\)".*/\1/' manifest.json)
        K=$(openssl kdf -keylen 32 -kdfopt pass:"$P" -kdfopt hexsalt:$S -kdfopt n:$N \
            -kdfopt r:8 -kdfopt p:1 -kdfopt maxmem_bytes:335544320 SCRYPT | tr -d ':\n')
        head -c -16 payload.enc \
            | openssl enc -d -aes-256-ctr -K $K -iv ${NONCE}00000002 -out inner.zip
    """
    subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "P": PASSPHRASE},
        check=True,
        timeout=60,
    )
    inside = members((tmp_path / "inner.zip").read_bytes())
    assert keys.is_same_key(inside["ca-key.pem"].decode(), inside["ca-chain.pem"].decode())
    assert inside["README.txt"].decode() == archive.README
    assert set(inside) == {
        "ca-key.pem",
        "ca-chain.pem",
        "zone-signing-key.pem",
        "cross/01.pem",
        "cross/02.pem",
        "issued.jsonl",
        "settings.json",
        "README.txt",
    }
