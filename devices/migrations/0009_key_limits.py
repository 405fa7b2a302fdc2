from django.db import migrations, models


class Migration(migrations.Migration):
    """Add what a registration key approves. Keys that exist approve no servers until recreated."""

    dependencies = [
        ('devices', '0008_decisions'),
    ]

    operations = [
        migrations.AddField(
            model_name='device',
            name='outside_key',
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name='registrationkey',
            name='device',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='registrationkey',
            name='domains',
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name='registrationkey',
            name='networks',
            field=models.JSONField(blank=True, default=list),
        ),
    ]
