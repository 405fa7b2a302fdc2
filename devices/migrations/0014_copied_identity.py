from django.db import migrations, models


class Migration(migrations.Migration):
    """Store when another host last used the identity of a device."""

    dependencies = [
        ("devices", "0013_second_key"),
    ]

    operations = [
        migrations.AddField(
            model_name="device",
            name="copied_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="device",
            name="copied_address",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="device",
            name="copied_count",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    ]
