"""The administrators as a Django app."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """Holds administrators, set-up links and second factors."""

    name = "administrators"
    # The label keeps the tables, rights and migrations of version 0.1.
    label = "people"
    default_auto_field = "django.db.models.BigAutoField"
