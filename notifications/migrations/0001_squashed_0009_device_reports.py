import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    """All migrations until this one, for a new database. A database that has some of them runs the rest."""

    replaces = [
        ('notifications', '0001_initial'),
        ('notifications', '0002_failed_state'),
        ('notifications', '0003_new_events'),
        ('notifications', '0004_altered_rows'),
        ('notifications', '0005_decided_requests'),
        ('notifications', '0006_backup_failed'),
        ('notifications', '0007_services'),
        ('notifications', '0008_mail_server'),
        ('notifications', '0009_device_reports'),
    ]

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Cursor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seq', models.BigIntegerField(default=0)),
                ('mail_offered', models.BooleanField(default=False)),
                ('expiry_notified_at', models.DateTimeField(null=True)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('guid', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('sent', 'Sent'), ('failed', 'Failed')], default='waiting', max_length=24)),
                ('event', models.CharField(max_length=48)),
                ('key', models.CharField(max_length=120)),
                ('title', models.CharField(max_length=250)),
                ('text', models.TextField()),
                ('facts', models.JSONField(default=dict)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('created_at', models.DateTimeField(db_index=True)),
                ('due_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='MailServer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('host', models.CharField(max_length=253)),
                ('port', models.PositiveIntegerField()),
                ('security', models.CharField(choices=[('starttls', 'STARTTLS'), ('tls', 'TLS'), ('none', 'None')], max_length=16)),
                ('sender', models.CharField(max_length=254)),
                ('username', models.CharField(blank=True, max_length=200)),
                ('encrypted', models.TextField(blank=True)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Target',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=64, unique=True)),
                ('kind', models.CharField(choices=[('mail', 'Email'), ('webhook', 'Webhook'), ('slack', 'Slack'), ('teams', 'Microsoft Teams'), ('mattermost', 'Mattermost'), ('ntfy', 'ntfy'), ('pagerduty', 'PagerDuty')], max_length=16)),
                ('recipients', models.TextField(blank=True)),
                ('host', models.CharField(blank=True, max_length=253)),
                ('encrypted', models.TextField(blank=True)),
                ('binding', models.UUIDField(default=uuid.uuid4, editable=False)),
                ('events', models.JSONField(default=list)),
                ('active', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'permissions': [('manage', 'Manage notifications')],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('ok', models.BooleanField()),
                ('answer', models.CharField(max_length=300)),
                ('delivery', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tries', to='notifications.delivery')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='delivery',
            name='target',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='notifications.target'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['state', 'due_at'], name='delivery_due'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(models.F('target'), models.F('key'), name='delivery_once_per_target'),
        ),
    ]
