from django.db import migrations, models


class Migration(migrations.Migration):
    """Rename fields to the terms of the console. `contacts` was never written."""

    dependencies = [
        ('devices', '0006_to_assign'),
    ]

    operations = [
        migrations.RenameField('zone', 'lead_seconds', 'lead_time_seconds'),
        migrations.RenameField('zone', 'lockout_seconds', 'freeze_seconds'),
        migrations.RenameField('zone', 'renews_by_itself', 'automatic_renewal'),
        migrations.RenameField('device', 'rehearsal_port', 'preflight_port'),
        migrations.RenameField('device', 'errands', 'has_pending_work'),
        migrations.RenameField('device', 'wake', 'refresh_requested'),
        migrations.RenameField('device', 'anchored_sha256', 'connection_root_sha256'),
        migrations.RenameField('device', 'skew', 'clock_skew_seconds'),
        migrations.RenameField('device', 'refused', 'failed_contacts'),
        migrations.RenameField('device', 'first_csr', 'initial_csr'),
        migrations.RemoveField('device', 'contacts'),
        migrations.AlterModelOptions(
            name='device',
            options={'ordering': ['name'], 'permissions': [('approve_device', 'Approve servers and manage registration keys')]},
        ),
        migrations.AlterField(
            model_name='zonekey',
            name='kind',
            field=models.CharField(choices=[('signing', 'Zone key'), ('master', 'Zone master key')], max_length=16),
        ),
    ]
