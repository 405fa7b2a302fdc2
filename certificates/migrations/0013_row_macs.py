import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    """Store the MACs of CAs, operations, CSRs, and CA key jobs."""

    dependencies = [
        ('certificates', '0012_plain_names'),
    ]

    operations = [
        migrations.AddField(
            model_name='authority',
            name='row_mac',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='futurecertificate',
            name='row_mac',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='operation',
            name='row_mac',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='vaultjob',
            name='row_mac',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
        migrations.AlterField(
            model_name='vaultjob',
            name='created_at',
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
        ),
    ]
