from django.db import migrations

# Events added after targets could be created, and the older event whose targets receive them, too.
ADDED = (
    'device.decision-needed',
    'device.unknown-root',
    'audit.entries-missing',
    'login.failures',
)
LIKE = 'device.failed'


def subscribe(apps, schema_editor):
    """Add the new events to targets that already receive events that need attention."""
    for target in apps.get_model('notifications', 'Target').objects.all():
        missing = [event for event in ADDED if event not in target.events]
        if LIKE in target.events and missing:
            target.events = [*target.events, *missing]
            target.save(update_fields=['events'])


class Migration(migrations.Migration):
    """Subscribe existing targets to new events that need attention."""

    dependencies = [
        ('notifications', '0002_failed_state'),
    ]

    operations = [
        migrations.RunPython(subscribe, migrations.RunPython.noop),
    ]
