import django.core.validators
import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    """All migrations until this one, for a new database. A database that has some of them runs the rest."""

    replaces = [
        ('devices', '0001_initial'),
        ('devices', '0002_replication_settings'),
        ('devices', '0003_readiness'),
        ('devices', '0004_device_by_role'),
        ('devices', '0005_wake'),
        ('devices', '0006_to_assign'),
        ('devices', '0007_plain_names'),
        ('devices', '0008_decisions'),
        ('devices', '0009_key_limits'),
        ('devices', '0010_unknown_roots'),
        ('devices', '0011_row_macs'),
        ('devices', '0012_remint_repository'),
        ('devices', '0013_second_key'),
        ('devices', '0014_copied_identity'),
        ('devices', '0015_device_by_registration'),
        ('devices', '0016_host_report'),
        ('devices', '0017_system_trust'),
        ('devices', '0018_device_summary'),
    ]

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='DeviceSummary',
            fields=[
                ('name', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('taken_at', models.DateTimeField()),
                ('devices', models.PositiveIntegerField()),
                ('content', models.JSONField()),
            ],
        ),
        migrations.CreateModel(
            name='RegistrationKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('row_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('label', models.CharField(max_length=100)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('role', models.CharField(choices=[('primary', 'Primary Server'), ('authentication-satellite', 'Authentication Satellite Server'), ('content-satellite', 'Content Satellite Server'), ('managed', 'Managed device')], default='managed', max_length=32)),
                ('approves', models.BooleanField(default=False)),
                ('domains', models.JSONField(blank=True, default=list)),
                ('networks', models.JSONField(blank=True, default=list)),
                ('device', models.CharField(blank=True, max_length=64)),
                ('uses', models.PositiveIntegerField(default=1)),
                ('uses_left', models.PositiveIntegerField(default=1)),
                ('created_by', models.CharField(blank=True, max_length=200)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='SignedTrustList',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveBigIntegerField()),
                ('period', models.PositiveIntegerField()),
                ('envelope', models.JSONField()),
            ],
        ),
        migrations.CreateModel(
            name='Zone',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('guid', models.UUIDField(default=uuid.uuid4, unique=True)),
                ('name', models.CharField(max_length=64)),
                ('public_key', models.CharField(max_length=64)),
                ('second_public_key', models.CharField(blank=True, default='', max_length=64)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('epoch', models.PositiveIntegerField(default=0)),
                ('revision', models.PositiveBigIntegerField(default=1)),
                ('refresh_seconds', models.PositiveIntegerField(default=43200, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(604800)])),
                ('primary_replication_seconds', models.PositiveIntegerField(default=3600, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(604800)])),
                ('satellite_replication_seconds', models.PositiveIntegerField(default=300, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(604800)])),
                ('bandwidth_kib', models.PositiveIntegerField(default=0, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(10485760)])),
                ('stage_timeout_seconds', models.PositiveIntegerField(default=259200, validators=[django.core.validators.MinValueValidator(60), django.core.validators.MaxValueValidator(7776000)])),
                ('grace_seconds', models.PositiveIntegerField(default=2592000, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(315360000)])),
                ('lead_time_seconds', models.PositiveIntegerField(default=900, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(2592000)])),
                ('freeze_seconds', models.PositiveIntegerField(default=600, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(86400)])),
                ('server_certificate_days', models.PositiveIntegerField(default=365, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)])),
                ('renewal_days', models.PositiveIntegerField(default=30, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(365)])),
                ('automatic_renewal', models.BooleanField(default=True)),
                ('ready_servers', models.BooleanField(default=False)),
                ('ready_percent', models.PositiveIntegerField(default=0, validators=[django.core.validators.MaxValueValidator(100)])),
                ('ready_days', models.PositiveIntegerField(default=30, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(365)])),
                ('time_zone', models.CharField(default='UTC', max_length=64)),
                ('system_trust', models.BooleanField(db_default=False, default=False)),
            ],
        ),
        migrations.CreateModel(
            name='Device',
            fields=[
                ('row_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('guid', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=64)),
                ('role', models.CharField(choices=[('primary', 'Primary Server'), ('authentication-satellite', 'Authentication Satellite Server'), ('content-satellite', 'Content Satellite Server'), ('managed', 'Managed device')], default='managed', max_length=32)),
                ('state', models.CharField(choices=[('waiting', 'Waiting for approval'), ('registered', 'Registered'), ('unregistered', 'Unregistered'), ('retired', 'Retired')], default='registered', max_length=24)),
                ('fqdn', models.CharField(blank=True, max_length=253)),
                ('addresses', models.JSONField(blank=True, default=list)),
                ('dns_names', models.JSONField(blank=True, default=list)),
                ('port', models.PositiveIntegerField(default=0)),
                ('content_port', models.PositiveIntegerField(default=0)),
                ('preflight_port', models.PositiveIntegerField(default=0)),
                ('os', models.CharField(blank=True, max_length=100)),
                ('version', models.CharField(blank=True, max_length=40)),
                ('features', models.JSONField(blank=True, default=list)),
                ('remint_repository', models.CharField(blank=True, db_default='', default='', max_length=200)),
                ('credential_epoch', models.PositiveIntegerField(default=1)),
                ('counter', models.BigIntegerField(default=0)),
                ('registered_at', models.DateTimeField(blank=True, null=True)),
                ('last_contact', models.DateTimeField(blank=True, db_index=True, null=True)),
                ('has_pending_work', models.BooleanField(default=False)),
                ('refresh_requested', models.BooleanField(default=False)),
                ('generation', models.CharField(blank=True, max_length=80)),
                ('root_sha256', models.CharField(blank=True, max_length=64)),
                ('connection_root_sha256', models.CharField(blank=True, max_length=64)),
                ('trusted_sha256', models.JSONField(blank=True, default=list)),
                ('unknown_roots', models.TextField(blank=True)),
                ('clock_skew_seconds', models.FloatField(default=0)),
                ('failed_contacts', models.BigIntegerField(default=0)),
                ('requested_change', models.JSONField(blank=True, default=dict)),
                ('needs_certificate', models.BooleanField(default=False)),
                ('outside_key', models.JSONField(blank=True, default=dict)),
                ('released_until', models.DateTimeField(blank=True, null=True)),
                ('copied_at', models.DateTimeField(blank=True, null=True)),
                ('copied_address', models.CharField(blank=True, db_default='', default='', max_length=64)),
                ('copied_count', models.PositiveIntegerField(db_default=0, default=0)),
                ('host_report', models.JSONField(blank=True, null=True)),
                ('vault_key', models.CharField(blank=True, max_length=100)),
                ('ca_vault_key', models.CharField(blank=True, max_length=100)),
                ('initial_csr', models.TextField(blank=True)),
                ('replication_seconds', models.PositiveIntegerField(blank=True, null=True)),
                ('bandwidth_kib', models.PositiveIntegerField(blank=True, null=True)),
                ('replicates', models.BooleanField(default=True)),
                ('parent', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='satellites', to='devices.device')),
                ('replaces', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='replacements', to='devices.device')),
            ],
            options={
                'ordering': ['name'],
                'permissions': [('approve_device', 'Approve servers and manage registration keys')],
            },
        ),
        migrations.CreateModel(
            name='ZoneKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('signing', 'Zone key'), ('master', 'Zone master key'), ('second', 'Second zone key')], max_length=16)),
                ('blob', models.TextField()),
                ('signature', models.CharField(blank=True, db_default='', default='', max_length=100)),
                ('server', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='zone_keys', to='devices.device')),
            ],
        ),
        migrations.AddIndex(
            model_name='device',
            index=models.Index(models.F('name'), name='device_by_name'),
        ),
        migrations.AddIndex(
            model_name='device',
            index=models.Index(models.F('role'), models.F('state'), models.F('name'), models.F('guid'), name='device_by_role'),
        ),
        migrations.AddIndex(
            model_name='device',
            index=models.Index(models.F('state'), models.F('guid'), models.F('role'), name='device_to_assign'),
        ),
        migrations.AddIndex(
            model_name='device',
            index=models.Index(models.F('name'), condition=models.Q(('unknown_roots', ''), _negated=True), name='device_unknown_root'),
        ),
        migrations.AddIndex(
            model_name='device',
            index=models.Index(models.F('registered_at'), name='device_by_registration'),
        ),
        migrations.AddConstraint(
            model_name='device',
            constraint=models.UniqueConstraint(models.F('name'), condition=models.Q(('state', 'retired'), _negated=True), name='device_name_once'),
        ),
        migrations.AddConstraint(
            model_name='zonekey',
            constraint=models.UniqueConstraint(models.F('kind'), models.F('server'), name='zone_key_once_per_server'),
        ),
    ]
