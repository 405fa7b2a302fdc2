import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """All migrations until this one, for a new database. A database that has some of them runs the rest."""

    replaces = [
        ('people', '0001_initial'),
        ('people', '0002_policies'),
        ('people', '0003_failed_codes'),
        ('people', '0004_row_macs'),
        ('people', '0005_second_factor_macs'),
        ('people', '0006_passkeys'),
        ('people', '0007_used_challenges'),
    ]

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AccountMac',
            fields=[
                ('row_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='account_mac', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('rights', models.JSONField(default=list)),
                ('second_factor_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('passkeys', models.TextField(blank=True, db_default='', default='', editable=False)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Administrator',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='administrator', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('roles', models.JSONField(default=list)),
                ('login_method', models.CharField(choices=[('password', 'Password'), ('oidc', 'OpenID Connect')], default='password', max_length=16)),
                ('subject', models.CharField(blank=True, db_index=True, max_length=400)),
                ('must_change_password', models.BooleanField(default=False)),
                ('created_by', models.CharField(blank=True, max_length=150)),
            ],
            options={
                'permissions': [('administer', 'Manage administrators and their roles')],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='SecondFactor',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='second_factor', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('encrypted', models.TextField()),
                ('confirmed_at', models.DateTimeField(null=True)),
                ('last_step', models.BigIntegerField(default=0)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='UsedChallenge',
            fields=[
                ('digest', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('used_at', models.DateTimeField(db_index=True)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='FailedCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_index=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='failed_codes', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Policies',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('row_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('requires_second_factor', models.BooleanField(default=False)),
                ('two_administrators', models.BooleanField(default=False)),
                ('turn_off_requested_at', models.DateTimeField(null=True)),
                ('turn_off_requested_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='RoleRequest',
            fields=[
                ('row_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='role_request', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('roles', models.JSONField(default=list)),
                ('requested_at', models.DateTimeField()),
                ('requested_by', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='SetupLink',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('row_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='setup_links', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Passkey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('row_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('rp_id', models.CharField(max_length=253)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('credential_id', models.TextField()),
                ('public_key', models.TextField()),
                ('name', models.CharField(max_length=60)),
                ('sign_count', models.BigIntegerField(default=0)),
                ('created_at', models.DateTimeField()),
                ('last_used_at', models.DateTimeField(null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='passkeys', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(models.F('user'), models.F('name'), name='passkey_name_once')],
            },
        ),
        migrations.CreateModel(
            name='RecoveryCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('row_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('digest', models.CharField(max_length=64)),
                ('used_at', models.DateTimeField(null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='recovery_codes', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(models.F('user'), models.F('digest'), name='recovery_code_once')],
            },
        ),
    ]
