from django.db import migrations, models


class Migration(migrations.Migration):
    """List rows that were changed in the database."""

    dependencies = [
        ('ledger', '0005_witnesses'),
    ]

    operations = [
        migrations.CreateModel(
            name='AlteredRow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('label', models.CharField(max_length=100)),
                ('key', models.CharField(max_length=64)),
                ('name', models.CharField(max_length=200)),
                ('found_at', models.DateTimeField()),
                ('notified_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['pk'],
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(models.F('label'), models.F('key'), name='altered_row_once')],
            },
        ),
    ]
