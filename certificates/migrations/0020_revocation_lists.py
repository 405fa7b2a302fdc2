import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Store the last revocation list (CRL) of each CA."""

    dependencies = [
        ('certificates', '0019_revocations'),
    ]

    operations = [
        migrations.CreateModel(
            name='RevocationList',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key_id', models.CharField(db_index=True, max_length=64)),
                ('number', models.PositiveBigIntegerField()),
                ('issued_at', models.DateTimeField()),
                ('next_update', models.DateTimeField()),
                ('last_revocation', models.BigIntegerField(default=0)),
                ('der', models.BinaryField()),
                ('authority', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='revocation_list', to='certificates.authority')),
            ],
        ),
    ]
