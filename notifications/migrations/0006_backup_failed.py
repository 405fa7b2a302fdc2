from django.db import migrations

ADDED, LIKE = 'backup.failed', 'operation.failed'


def subscribe(apps, schema_editor):
    """Add the new event to targets that already receive failures of operations."""
    for target in apps.get_model('notifications', 'Target').objects.all():
        if LIKE in target.events and ADDED not in target.events:
            target.events = [*target.events, ADDED]
            target.save(update_fields=['events'])


def unsubscribe(apps, schema_editor):
    """Remove the event, which the previous version does not know."""
    for target in apps.get_model('notifications', 'Target').objects.all():
        if ADDED in target.events:
            target.events = [event for event in target.events if event != ADDED]
            target.save(update_fields=['events'])


class Migration(migrations.Migration):
    """Subscribe existing targets to failures of backups."""

    dependencies = [
        ('notifications', '0005_decided_requests'),
    ]

    operations = [
        migrations.RunPython(subscribe, unsubscribe),
    ]
