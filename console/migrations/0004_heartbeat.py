from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("console", "0003_expiry_told")]

    operations = [
        migrations.RenameModel("Pulse", "Heartbeat"),
        migrations.AlterModelOptions(
            name="apitoken",
            options={
                "default_permissions": (),
                "permissions": [("view_metrics", "View metrics")],
            },
        ),
    ]
