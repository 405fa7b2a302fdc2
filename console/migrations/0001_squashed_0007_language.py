import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """All migrations until this one, for a new database. A database that has some of them runs the rest."""

    replaces = [
        ('console', '0001_initial'),
        ('console', '0002_api_tokens'),
        ('console', '0003_expiry_told'),
        ('console', '0004_heartbeat'),
        ('console', '0005_api_token_parent'),
        ('console', '0006_row_macs'),
        ('console', '0007_language'),
    ]

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Heartbeat',
            fields=[
                ('name', models.CharField(max_length=32, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Preferences',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('time_zone', models.CharField(blank=True, max_length=64)),
                ('language', models.CharField(blank=True, db_default='', default='', max_length=16)),
                ('columns', models.JSONField(blank=True, default=dict)),
                ('warned_at', models.DateTimeField(blank=True, null=True)),
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='preferences', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'preferences',
            },
        ),
        migrations.CreateModel(
            name='ApiToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=50)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('rights', models.JSONField(blank=True, default=list)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('last_used_at', models.DateTimeField(blank=True, null=True)),
                ('row_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('parent', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='children', to='console.apitoken')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='api_tokens', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'permissions': [('view_metrics', 'View metrics')],
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(models.F('user'), models.F('name'), condition=models.Q(('revoked_at', None)), name='api_token_name_once')],
            },
        ),
    ]
