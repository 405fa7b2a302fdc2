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
            name='confirmation',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
        migrations.AddField(
            model_name='vaultjob',
            name='confirmed_at',
            field=models.DateTimeField(null=True),
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
        migrations.AlterField(
            model_name='vaultjob',
            name='state',
            field=models.CharField(choices=[('proposed', 'Waiting for second administrator'), ('waiting', 'Waiting for the server'), ('confirming', 'Waiting for confirmation on the certificate server'), ('done', 'Done'), ('failed', 'Failed'), ('expired', 'No response')], default='waiting', max_length=24),
        ),
    ]
