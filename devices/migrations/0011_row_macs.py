from django.db import migrations, models


class Migration(migrations.Migration):
    """Store the MACs of devices and registration keys, and the signatures of zone keys."""

    dependencies = [
        ('devices', '0010_unknown_roots'),
    ]

    operations = [
        migrations.AddField(
            model_name='device',
            name='row_mac',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='registrationkey',
            name='row_mac',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='zonekey',
            name='signature',
            field=models.CharField(blank=True, db_default='', default='', max_length=100),
        ),
    ]
