from django.db import migrations, models


class Migration(migrations.Migration):
    """Store the settings of the pilot group."""

    dependencies = [
        ('certificates', '0021_maintenance_windows'),
    ]

    operations = [
        migrations.CreateModel(
            name='PilotSettings',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('row_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('is_on', models.BooleanField(default=False)),
                ('devices', models.JSONField(default=list)),
                ('roles', models.JSONField(default=list)),
                ('count', models.PositiveIntegerField(default=0)),
                ('percent', models.PositiveSmallIntegerField(default=100)),
                ('timeout_seconds', models.PositiveIntegerField(default=86400)),
            ],
            options={
                'abstract': False,
            },
        ),
    ]
