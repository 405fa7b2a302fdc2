"""How Django proves users and finds their rights: password, roles, code of the authenticator."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.models import User
from django.utils import timezone

from administrators.accounts.roles import rights_of
from administrators.login import second_factor
from administrators.models import roles_of


class PasswordAndRoles(ModelBackend):
    """Proves a password. A user's rights are those of the roles, and those given singly."""

    def authenticate(
        self, request: Any, username: Any = None, password: Any = None, **kwargs: Any
    ) -> Any:
        """Return the user of name and password, None for a wrong one."""
        return super().authenticate(request, username=username, password=password, **kwargs)

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return every right of an active user."""
        single: set[str] = super().get_all_permissions(user_obj, obj)
        if not single and not user_obj.is_active:
            return set()
        return single | rights_of(role.key for role in roles_of(user_obj))

    def get_user(self, user_id: Any) -> Any:
        """Return an active user with what every page needs of them, in one query."""
        known = User.objects.select_related("administrator", "second_factor", "preferences")
        user = known.filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None


class Code(BaseBackend):
    """Proves a code of the authenticator, or a recovery code, of somebody known by password.

    It stands among the backends so that wrong codes count towards the lock-out (S-82).
    """

    def authenticate(  # type: ignore[override]  # Django tells backends apart by these names
        self, request: Any, username: str = "", code: str = ""
    ) -> User | None:
        """Return the user if the code is right."""
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None or not code:
            return None
        return user if second_factor.prove(user, code, now=timezone.now()) else None
