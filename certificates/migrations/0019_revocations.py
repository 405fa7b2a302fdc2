import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Store revoked server certificates."""

    dependencies = [
        ('certificates', '0018_draft_macs'),
        ('devices', '0015_device_by_registration'),
    ]

    operations = [
        migrations.CreateModel(
            name='Revocation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('row_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('subject', models.CharField(max_length=253)),
                ('serial', models.CharField(max_length=40)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('signed_part', models.CharField(max_length=64)),
                ('not_after', models.DateTimeField(db_index=True)),
                ('reason', models.CharField(choices=[('key-compromise', 'The private key might be known to others'), ('superseded', 'The certificate was replaced'), ('cessation-of-operation', 'The server is no longer in operation'), ('affiliation-changed', 'The names no longer belong to the server'), ('unspecified', 'Another reason')], max_length=24)),
                ('revoked_at', models.DateTimeField()),
                ('revoked_by', models.CharField(blank=True, max_length=150)),
                ('authority', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='revocations', to='certificates.authority')),
                ('device', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='devices.device')),
            ],
            options={
                'ordering': ['-revoked_at', '-pk'],
            },
        ),
    ]
