from django.db import migrations, models


class Migration(migrations.Migration):
    """Store the CSR of a subordinate CA until another CA has signed it."""

    dependencies = [
        ('certificates', '0023_ocsp_responses'),
    ]

    operations = [
        migrations.AddField(
            model_name='authority',
            name='csr_pem',
            field=models.TextField(blank=True, db_default='', default=''),
        ),
        migrations.AlterField(
            model_name='authority',
            name='kind',
            field=models.CharField(choices=[('internal', 'Internal'), ('subordinate', 'Subordinate'), ('external', 'External')], max_length=16),
        ),
    ]
