from django.db import migrations

ADDED, LIKE = 'database.row-altered', 'audit.entries-missing'


def subscribe(apps, schema_editor):
    """Add the new event to targets that already receive alarms about the audit log."""
    for target in apps.get_model('notifications', 'Target').objects.all():
        if LIKE in target.events and ADDED not in target.events:
            target.events = [*target.events, ADDED]
            target.save(update_fields=['events'])


class Migration(migrations.Migration):
    """Subscribe existing targets to the alarm about altered rows."""

    dependencies = [
        ('notifications', '0003_new_events'),
    ]

    operations = [
        migrations.RunPython(subscribe, migrations.RunPython.noop),
    ]
