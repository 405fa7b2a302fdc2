from django.db import migrations, models


class Migration(migrations.Migration):
    """Rename models and fields to the terms of the console."""

    dependencies = [
        ('systemupdates', '0004_tally'),
    ]

    operations = [
        migrations.RenameModel('Notice', 'TrustNotice'),
        migrations.RenameModel('Sample', 'RolloutSample'),
        migrations.RenameField('systemupdate', 'assigned_by_hand', 'assigned_manually'),
        migrations.RenameField('systemupdate', 'tally', 'counts'),
        migrations.RenameField('systemupdate', 'tallied_at', 'counted_at'),
        migrations.RenameField('assignment', 'told', 'cancellation_acknowledged'),
        migrations.RenameField('assignment', 'rehearsal', 'preflight_results'),
        migrations.RenameField('assignment', 'rehearsed_at', 'preflight_at'),
        migrations.AlterField(
            model_name='trustnotice',
            name='kind',
            field=models.CharField(choices=[('application/vnd.zcc.go+json', 'Activation order'), ('application/vnd.zcc.cancel+json', 'Cancellation'), ('application/vnd.zcc.activated+json', 'Activation'), ('application/vnd.zcc.retire+json', 'Root retirement'), ('application/vnd.zcc.rollback+json', 'Rollback')], max_length=64),
        ),
    ]
