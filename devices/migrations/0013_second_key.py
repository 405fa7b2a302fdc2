from django.db import migrations, models


class Migration(migrations.Migration):
    """Store the second zone key, and the newest trust list that it signed."""

    dependencies = [
        ("devices", "0012_remint_repository"),
    ]

    operations = [
        migrations.AddField(
            model_name="zone",
            name="second_public_key",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.AlterField(
            model_name="zonekey",
            name="kind",
            field=models.CharField(
                choices=[
                    ("signing", "Zone key"),
                    ("master", "Zone master key"),
                    ("second", "Second zone key"),
                ],
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="SignedTrustList",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.PositiveBigIntegerField()),
                ("period", models.PositiveIntegerField()),
                ("envelope", models.JSONField()),
            ],
        ),
    ]
