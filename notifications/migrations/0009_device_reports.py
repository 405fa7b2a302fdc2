from django.db import migrations

ADDED, LIKE = ('device.hook-failed', 'device.tls-library-rejected'), 'device.failed'


def subscribe(apps, schema_editor):
    """Add the new events to targets that already receive failures of devices."""
    for target in apps.get_model('notifications', 'Target').objects.all():
        missing = [event for event in ADDED if event not in target.events]
        if LIKE in target.events and missing:
            target.events = [*target.events, *missing]
            target.save(update_fields=['events'])


def unsubscribe(apps, schema_editor):
    """Remove the events, which the previous version does not know."""
    for target in apps.get_model('notifications', 'Target').objects.all():
        if set(ADDED) & set(target.events):
            target.events = [event for event in target.events if event not in ADDED]
            target.save(update_fields=['events'])


class Migration(migrations.Migration):
    """Subscribe existing targets to failed hooks and to TLS libraries that reject a certificate."""

    dependencies = [
        ('notifications', '0008_mail_server'),
    ]

    operations = [
        migrations.RunPython(subscribe, unsubscribe),
    ]
