from django.db import migrations, models


class Migration(migrations.Migration):
    """Store which roots of a device the zone never issued."""

    dependencies = [
        ('devices', '0009_key_limits'),
    ]

    operations = [
        migrations.AddField(
            model_name='device',
            name='unknown_roots',
            field=models.TextField(blank=True, default=''),
            preserve_default=False,
        ),
        migrations.AddIndex(
            model_name='device',
            index=models.Index(models.F('name'), condition=models.Q(('unknown_roots', ''), _negated=True), name='device_unknown_root'),
        ),
    ]
