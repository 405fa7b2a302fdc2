"""The administrators as a Django app."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """Holds administrators, set-up links and second factors."""

    name = "people"
    default_auto_field = "django.db.models.BigAutoField"
