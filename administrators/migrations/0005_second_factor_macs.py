from django.db import migrations, models


class Migration(migrations.Migration):
    """Store the MACs of second factors and recovery codes. The worker creates them (D-210)."""

    dependencies = [
        ('people', '0004_row_macs'),
    ]

    operations = [
        migrations.AddField(
            model_name='accountmac',
            name='second_factor_mac',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='recoverycode',
            name='row_mac',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
    ]
