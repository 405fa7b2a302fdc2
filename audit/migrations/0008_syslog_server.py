from django.db import migrations, models


class Migration(migrations.Migration):
    """Forward the audit log to a syslog server."""

    dependencies = [
        ('ledger', '0007_entry_names'),
    ]

    operations = [
        migrations.CreateModel(
            name='SyslogServer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('host', models.CharField(max_length=253)),
                ('port', models.PositiveIntegerField(default=6514)),
                ('roots_pem', models.TextField(blank=True)),
                ('revision', models.PositiveIntegerField(default=1)),
                ('seq', models.BigIntegerField(default=0)),
                ('digest', models.CharField(default='0000000000000000000000000000000000000000000000000000000000000000', max_length=64)),
                ('due_at', models.DateTimeField()),
                ('failures', models.PositiveIntegerField(default=0)),
                ('problem', models.CharField(blank=True, max_length=300)),
                ('failed_since', models.DateTimeField(null=True)),
                ('sent_at', models.DateTimeField(null=True)),
            ],
            options={
                'default_permissions': (),
            },
        ),
    ]
