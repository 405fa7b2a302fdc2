import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add what an administrator must decide: changes of servers, and devices with a taken name."""

    dependencies = [
        ('devices', '0007_plain_names'),
    ]

    operations = [
        migrations.AddField(
            model_name='device',
            name='requested_change',
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name='device',
            name='needs_certificate',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='device',
            name='replaces',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='replacements', to='devices.device'),
        ),
        migrations.AddField(
            model_name='device',
            name='released_until',
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
