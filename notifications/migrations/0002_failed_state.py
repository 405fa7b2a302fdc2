from django.db import migrations, models


def rename_state(before, after):
    def rename(apps, schema_editor):
        delivery = apps.get_model("notifications", "Delivery")
        delivery.objects.filter(state=before).update(state=after)

    return rename


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial")]

    operations = [
        migrations.RunPython(
            rename_state("given-up", "failed"), rename_state("failed", "given-up")
        ),
        migrations.AlterField(
            model_name="delivery",
            name="state",
            field=models.CharField(
                choices=[("waiting", "Waiting"), ("sent", "Sent"), ("failed", "Failed")],
                default="waiting",
                max_length=24,
            ),
        ),
        migrations.AlterField(
            model_name="target",
            name="kind",
            field=models.CharField(
                choices=[("mail", "Email"), ("webhook", "Webhook")], max_length=16
            ),
        ),
        migrations.RenameField("Target", "sealed", "encrypted"),
        migrations.RenameField("Cursor", "expiry_told_at", "expiry_notified_at"),
        migrations.AlterModelOptions(
            name="target",
            options={
                "default_permissions": (),
                "permissions": [("manage", "Manage notifications")],
            },
        ),
    ]
