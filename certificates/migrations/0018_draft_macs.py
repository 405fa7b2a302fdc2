from django.db import migrations, models


def delete_drafts(apps, _schema_editor):
    """Delete drafts without a MAC: they would count as written with SQL.

    An administrator whose dialog was open starts it again.
    """
    apps.get_model("certificates", "Draft").objects.all().delete()


class Migration(migrations.Migration):
    """Store the MACs of drafts of wizards."""

    dependencies = [
        ('certificates', '0017_agent_upgrades'),
    ]

    operations = [
        migrations.RunPython(delete_drafts, migrations.RunPython.noop, elidable=True),
        migrations.AddField(
            model_name='draft',
            name='row_mac',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
    ]
