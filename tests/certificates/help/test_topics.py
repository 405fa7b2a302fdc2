"""Help topics for every page and dialog, and the manual's Appendix A."""

import re

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse

from certificates.help.appendix import APPENDIX
from certificates.help.sections import TOPICS
from devices.models import Device
from tests.console.access.test_rights import MATRIX, address
from tests.console.conftest import things  # noqa: F401 - a fixture
from tests.support import clients, factories
from zcc.runtime.components import BASE_DIR

pytestmark = pytest.mark.django_db
EXPLAINED = {address for topic in TOPICS for address in topic.url_names}


@pytest.fixture
def admin():
    client = Client()
    client.force_login(factories.admin())
    server = factories.server("ps-01")
    factories.zone()
    factories.certificate(server, factories.authority(server))
    return client


def addresses(resolver=None, space=""):
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, pattern.namespace or space)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield f"{space}:{pattern.name}"


def test_every_explained_url_exists():
    assert set(addresses()) >= EXPLAINED


# Downloads, redirects, the login, and pages that have no link to help.
WITHOUT_HELP = {
    *("certificates:help", "api:openapi-view", "administrators:login", "administrators:code"),
    *("administrators:oidc", "administrators:oidc_callback", "administrators:reauthenticate"),
    *("administrators:redeem_setup_link", "administrators:old_setup_link"),
    *("administrators:set_up_link", "systemupdates:rollout"),
}
# One topic is for one dialog, or for dialogs of the same kind.
SAME_KIND = [
    {"server", "future", "previous_certificate", "view_certificate"},
    {"approve_operation", "decide_job", "decide_action"},
    {"roles", "approve_roles", "reject_roles"},
    *({"policies", "approve_turn_off"}, {"create", "change"}, {"new_stage", "stage"}),
    {"windows", "new_window", "window", "remove_window", "new_freeze", "freeze", "remove_freeze"},
    {"acme_accounts", "disable_acme_account"},
    {"host_certificates", "revoke_host"},
    *({"force", "try_again"}, {"restore_ca", "adopt_ca"}, {"cancel", "clear_failure"}),
]


def test_every_page_and_dialog_has_help():
    shown = {name for name, (_, methods) in MATRIX.items() if methods["GET"] is not None}
    assert shown - EXPLAINED - WITHOUT_HELP == set(), "add a help topic"
    found = {name for name in addresses() if name.startswith("certificates:")}
    assert found - EXPLAINED - WITHOUT_HELP == set(), "add a help topic"


def test_every_dialog_has_its_own_topic(things):  # noqa: F811
    client = clients.log_in(factories.admin(), htmx=True)
    dialogs = set()
    for name, (_, methods) in MATRIX.items():
        if methods["GET"] is not None:
            response = client.get(address(name, things))
            content = b"" if response.streaming else response.content
            dialogs |= {name} if b'class="dlg"' in content else set()
    assert len(dialogs) > 30
    for topic in TOPICS:
        explained = {name.split(":")[1] for name in dialogs.intersection(topic.url_names)}
        is_same_kind = any(explained <= names for names in SAME_KIND)
        assert len(explained) <= 1 or is_same_kind, explained


def test_the_contents_link_to_every_topic(admin):
    page = admin.get(reverse("certificates:help")).content.decode()
    contents = page[page.index('id="contents"') : page.index("<article")]
    for topic in TOPICS:
        assert f'href="#{topic.anchors()[0]}"' in contents
    targets = re.findall(r'href="#([\w-]+)"', contents)
    assert all(page.count(f'id="{target}"') == 1 for target in targets)


def test_a_search_shows_only_the_topics_with_all_words(admin):
    page = admin.get(reverse("certificates:help"), {"q": "passphrase BACKUP"}).content.decode()
    assert 'id="certificates-backup_ca"' in page
    assert 'id="certificates-roll_back"' not in page
    assert "Paths and Addresses" not in page
    page = admin.get(reverse("certificates:help"), {"q": "antivirus"}).content.decode()
    assert re.findall(r'<article id="(a-\d+)">', page) == ["a-2"]
    page = admin.get(reverse("certificates:help"), {"q": "zzz"}).content.decode()
    assert "No topic contains “zzz”." in page


def test_the_addresses_and_folders_of_the_zone_are_named(admin):
    server = Device.objects.get(name="ps-01")
    server.port, server.content_port, server.remint_repository = 8443, 8080, "/var/lib/zac/repo"
    server.save()
    page = admin.get(reverse("certificates:help")).content.decode()
    address = server.addresses[0]
    assert f"https://{address}:8443/zenworks-setup/" in page
    assert f"http://{address}:8080/zenworks-setup/" in page
    assert "/var/lib/zac/repo</span> (ps-01)" in page
    assert "/roots.pem" in page


def test_the_addresses_for_programs_exist(admin):
    text = admin.get(reverse("certificates:help")).text
    shown = re.findall(r"http://testserver(/[^<\s]+)</span>", text)
    assert {"/ocsp", "/acme/directory", "/.well-known/est", "/crl/KEY-ID.crl"} <= set(shown)
    for path in ("/ocsp", "/acme/directory", "/.well-known/est/cacerts", "/crl/KEY-ID.crl"):
        assert resolve(path)


@pytest.mark.manual("R214", "R226")
def test_the_page_contains_the_ten_entries_of_the_appendix(admin):
    page = admin.get(reverse("certificates:help")).content.decode()
    assert len(APPENDIX) == 10
    assert re.findall(r'<article id="(a-\d+)">', page) == [f"a-{n}" for n in range(1, 11)]
    assert "zac reg https://&lt;server_IP&gt;:&lt;port&gt;" in page


@pytest.mark.manual("R079", "R222", "R225")
def test_help_names_no_paths_of_windows_and_no_security_policies(admin):
    """Servers and agents run on Linux (D-52), and there are no security policies (D-44)."""
    page = admin.get(reverse("certificates:help")).content.decode()
    assert "This product does not manage security policies." in page
    assert not re.search(
        r"zenworks_home|%[a-z_]+%|Update_Windows|conf.security", page, re.IGNORECASE
    )


@pytest.mark.parametrize("name", ["certificates:page", "certificates:home", "devices:list"])
def test_a_page_links_to_its_own_help(admin, name):
    page = admin.get(reverse(name)).content.decode()
    anchor = name.replace(":", "-")
    assert f'href="{reverse("certificates:help")}#{anchor}"' in page
    assert f'id="{anchor}"' in admin.get(reverse("certificates:help")).content.decode()


DIALOGS = ["certificates:remint_ca", "certificates:backup_ca", "certificates:view_certificate"]


@pytest.mark.parametrize("name", DIALOGS)
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_a_dialog_links_to_its_own_help(admin, name, headers):
    page = admin.get(reverse(name), headers=headers).content.decode()
    assert f"#{name.replace(':', '-')}" in page
    assert "Help for this dialog" in page


def test_every_dialog_has_a_help_text():
    """Each dialog template contains a sentence of help, or a field with help text.

    wizard.html is the base of other dialogs and has no text of its own.
    """
    folder = BASE_DIR / "templates" / "certificates" / "dialogs"
    without_text = [
        path.name
        for path in folder.glob("*.html")
        if path.name != "wizard.html"
        and "extends" in (text := path.read_text())
        and not re.search(r"<p\b|form\.\w+ %|<dl|uploaded_root", text)
    ]
    assert without_text == []
