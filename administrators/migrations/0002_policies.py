from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("people", "0001_initial")]

    operations = [
        migrations.RenameModel("Rules", "Policies"),
        migrations.RenameField("Policies", "end_asked_by", "turn_off_requested_by"),
        migrations.RenameField("Policies", "end_asked_at", "turn_off_requested_at"),
        migrations.RenameField("Administrator", "signs_in", "login_method"),
        migrations.RenameField("SecondFactor", "sealed", "encrypted"),
        migrations.AlterModelOptions(
            name="administrator",
            options={
                "default_permissions": (),
                "permissions": [("administer", "Manage administrators and their roles")],
            },
        ),
    ]
