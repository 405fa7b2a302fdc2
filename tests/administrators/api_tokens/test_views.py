"""A user's own API tokens: shown once, kept as SHA-256, within the user's rights (B-20, S-30)."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Entry
from console.access.api_tokens import RIGHTS, token_digest
from console.models import ApiToken
from tests.support import factories
from tests.support.clients import log_in

pytestmark = pytest.mark.django_db
PAGE = "/preferences/tokens/"
DEPLOY = "systemupdates.deploy_update"
TEXT = re.compile(r"zcct_[A-Za-z0-9_-]{43}")


@pytest.fixture
def user():
    factories.zone()
    return factories.user("deployer", DEPLOY)


@pytest.fixture
def client(user):
    return log_in(user)


def create(client, **given):
    return client.post(PAGE, {"name": "report", "rights": [DEPLOY], "days": 30, **given})


def test_a_new_token_is_shown_once_and_only_its_digest_is_kept(client):
    response = create(client)
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    text = TEXT.search(response.content.decode())[0]
    token = ApiToken.objects.get()
    assert token.digest == token_digest(text)
    assert text not in client.get(PAGE).content.decode()
    assert text not in str(list(ApiToken.objects.values()) + list(Entry.objects.values()))
    left = token.expires_at - timezone.now()
    assert timedelta(days=29) < left < timedelta(days=31)


def test_creating_and_revoking_a_token_is_recorded_in_the_audit_log(client):
    create(client)
    pk = ApiToken.objects.get().pk
    assert client.post(f"{PAGE}{pk}/revoke/").status_code == 302
    lines = Entry.objects.filter(subject=f"console.ApiToken:{pk}")
    assert [line.action for line in lines] == ["api-token", "revoke-api-token"]
    assert lines[0].detail["rights"] == [DEPLOY]
    assert ApiToken.objects.get().revoked_at
    assert b"report" not in client.get(PAGE).content.split(b"t-new")[0].split(b"t-mine")[1]


def test_a_right_that_the_user_lacks_is_neither_offered_nor_given(client):
    page = client.get(PAGE).content.decode()
    assert DEPLOY in page
    beyond = next(right for right in RIGHTS if right != DEPLOY)
    assert beyond not in page
    assert create(client, rights=[beyond]).status_code == 422
    assert not ApiToken.objects.exists()


def test_the_password_is_asked_again_when_the_proof_is_old(user):
    client = log_in(user, reauthenticated=False)
    assert create(client).status_code == 422
    assert create(client, password="wrong").status_code == 422
    assert not ApiToken.objects.exists()
    assert create(client, password=factories.PASSWORD).status_code == 201


def test_two_tokens_cannot_have_the_same_name(client):
    create(client)
    response = create(client)
    assert response.status_code == 422
    assert b"already have a token named report" in response.content
    assert ApiToken.objects.count() == 1


def test_the_name_is_free_again_once_the_token_is_revoked(client):
    create(client)
    client.post(f"{PAGE}{ApiToken.objects.get().pk}/revoke/")
    assert create(client).status_code == 201


def test_a_token_of_somebody_else_cannot_be_seen_or_revoked(client):
    create(client)
    other = log_in(factories.admin())
    assert b'<th scope="row">report' not in other.get(PAGE).content
    assert other.post(f"{PAGE}{ApiToken.objects.get().pk}/revoke/").status_code == 404
    assert ApiToken.objects.get().revoked_at is None
