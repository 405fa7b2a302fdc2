"""Rename models, fields and stored keys to the terms of RFC 4210 and of the console."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# Keys of Operation.parameters and values of Operation.state, before and after.
KEYS = {"by_hand": "manual_csr", "without_bridge": "without_cross_certificate"}
STATES = {"cancelling": "canceling", "cancelled": "canceled"}
CA_KINDS = ("remint-ca", "change-ca")
BLOCKING = (
    *("proposed", "preparing", "replicating", "assigned", "activating", "blocked"),
    *("canceling", "cancel-failed", "failed", "rolling-back"),
)


def _rename_values(apps, keys, states):
    operations = apps.get_model("certificates", "Operation").objects
    for before, after in states.items():
        operations.filter(state=before).update(state=after)
    for operation in operations.iterator():
        parameters = {keys.get(name, name): value for name, value in operation.parameters.items()}
        if parameters != operation.parameters:
            operation.parameters = parameters
            operation.save(update_fields=["parameters"])


def rename_values(apps, schema_editor):
    _rename_values(apps, KEYS, STATES)


def restore_values(apps, schema_editor):
    keys, states = ({after: before for before, after in names.items()} for names in (KEYS, STATES))
    _rename_values(apps, keys, states)


def rename(model, before, after):
    return migrations.RenameField(model_name=model, old_name=before, new_name=after)


class Migration(migrations.Migration):
    dependencies = [
        ("certificates", "0011_ask_for_acts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="bridge", name="one_bridge_each_way"),
        migrations.RemoveConstraint(model_name="futurecertificate", name="one_first_certificate"),
        migrations.RenameModel(old_name="Bridge", new_name="CrossCertificate"),
        migrations.RenameModel(old_name="Issued", new_name="IssuedCertificate"),
        migrations.RenameModel(old_name="Tally", new_name="WorkDuration"),
        migrations.AlterModelOptions(name="workduration", options={"default_permissions": ()}),
        migrations.AlterField(
            model_name="crosscertificate",
            name="issuer",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="cross_certificates_signed",
                to="certificates.authority",
            ),
        ),
        migrations.AlterField(
            model_name="crosscertificate",
            name="subject",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="cross_certificates",
                to="certificates.authority",
            ),
        ),
        migrations.AddConstraint(
            model_name="crosscertificate",
            constraint=models.UniqueConstraint(
                models.F("issuer"), models.F("subject"), name="one_cross_certificate_per_pair"
            ),
        ),
        rename("operation", "order", "parameters"),
        rename("operation", "confirmed_by", "approved_by"),
        rename("operation", "asked_act", "requested_action"),
        rename("operation", "asked_by", "action_requested_by"),
        rename("operation", "asked_at", "action_requested_at"),
        rename("vaultjob", "confirmed_by", "approved_by"),
        rename("vaultjob", "confirmed_at", "approved_at"),
        rename("futurecertificate", "order", "csr_parameters"),
        rename("futurecertificate", "by_hand", "manual_csr"),
        rename("futurecertificate", "made_at", "available_at"),
        migrations.AddConstraint(
            model_name="futurecertificate",
            constraint=models.UniqueConstraint(
                models.F("device"),
                condition=models.Q(
                    ("operation__isnull", True),
                    models.Q(("state__in", ("active", "discarded")), _negated=True),
                ),
                name="one_initial_certificate",
            ),
        ),
        migrations.AlterModelOptions(
            name="operation",
            options={
                "ordering": ["-created_at"],
                "permissions": [
                    ("certificate_authority", "Change, remint, move, back up, and restore the CA")
                ],
            },
        ),
        migrations.AlterField(
            model_name="authority",
            name="state",
            field=models.CharField(
                max_length=24,
                choices=[
                    ("future", "Future"),
                    ("current", "Current"),
                    ("grace", "In grace period"),
                    ("retired", "Retired"),
                    ("discarded", "Discarded"),
                ],
            ),
        ),
        migrations.AlterField(
            model_name="operation",
            name="state",
            field=models.CharField(
                default="preparing",
                max_length=24,
                choices=[
                    ("proposed", "Waiting for second administrator"),
                    ("preparing", "Preparing"),
                    ("replicating", "Replicating content"),
                    ("assigned", "Assigned"),
                    ("activating", "Activating"),
                    ("blocked", "Blocked"),
                    ("activated", "Activated"),
                    ("completed", "Completed"),
                    ("canceling", "Canceling"),
                    ("cancel-failed", "Cancellation failed"),
                    ("canceled", "Canceled"),
                    ("failed", "Failed"),
                    ("rolling-back", "Rolling back"),
                    ("rolled-back", "Rolled back"),
                ],
            ),
        ),
        migrations.AlterField(
            model_name="vaultjob",
            name="kind",
            field=models.CharField(
                max_length=16,
                choices=[
                    ("move", "Move CA Role"),
                    ("backup", "Backup CA"),
                    ("restore", "Restore CA"),
                    ("adopt", "Change CA to a CA from a backup"),
                ],
            ),
        ),
        migrations.AlterField(
            model_name="vaultjob",
            name="state",
            field=models.CharField(
                default="waiting",
                max_length=24,
                choices=[
                    ("proposed", "Waiting for second administrator"),
                    ("waiting", "Waiting for the server"),
                    ("done", "Done"),
                    ("failed", "Failed"),
                    ("expired", "No response"),
                ],
            ),
        ),
        migrations.RemoveConstraint(model_name="operation", name="one_ca_operation"),
        migrations.RunPython(rename_values, restore_values),
        migrations.AddConstraint(
            model_name="operation",
            constraint=models.UniqueConstraint(
                models.Value(1),
                condition=models.Q(("kind__in", CA_KINDS), ("state__in", BLOCKING)),
                name="one_ca_operation",
            ),
        ),
    ]
