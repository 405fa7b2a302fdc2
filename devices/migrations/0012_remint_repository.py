from django.db import migrations, models


class Migration(migrations.Migration):
    """Store in which folder a server reads the files of the manual CSR option."""

    dependencies = [
        ("devices", "0011_row_macs"),
    ]

    operations = [
        migrations.AddField(
            model_name="device",
            name="remint_repository",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
    ]
