import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Store the MACs of accounts, setup links, and policies, and requests for roles."""

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('people', '0003_failed_codes'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AccountMac',
            fields=[
                ('row_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='account_mac', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('rights', models.JSONField(default=list)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='policies',
            name='row_mac',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='setuplink',
            name='row_mac',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
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
    ]
