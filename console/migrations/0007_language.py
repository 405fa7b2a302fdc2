from django.db import migrations, models


class Migration(migrations.Migration):
    """Store the language that a user has selected."""

    dependencies = [
        ("console", "0006_row_macs"),
    ]

    operations = [
        migrations.AddField(
            model_name="preferences",
            name="language",
            field=models.CharField(blank=True, db_default="", default="", max_length=16),
        ),
    ]
