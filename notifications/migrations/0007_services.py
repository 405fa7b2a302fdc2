from django.db import migrations, models

ADDED = ('slack', 'teams', 'mattermost', 'ntfy', 'pagerduty')


def pause(apps, schema_editor):
    """Pause targets that the previous version would use as webhooks."""
    apps.get_model('notifications', 'Target').objects.filter(kind__in=ADDED).update(active=False)


class Migration(migrations.Migration):
    """Add the kinds of targets for chat and paging services."""

    dependencies = [
        ('notifications', '0006_backup_failed'),
    ]

    operations = [
        migrations.AlterField(
            model_name='target',
            name='kind',
            field=models.CharField(
                choices=[
                    ('mail', 'Email'),
                    ('webhook', 'Webhook'),
                    ('slack', 'Slack'),
                    ('teams', 'Microsoft Teams'),
                    ('mattermost', 'Mattermost'),
                    ('ntfy', 'ntfy'),
                    ('pagerduty', 'PagerDuty'),
                ],
                max_length=16,
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, pause),
    ]
