import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Store the OCSP responses that are signed in advance."""

    dependencies = [
        ('certificates', '0022_pilot'),
    ]

    operations = [
        migrations.CreateModel(
            name='OcspResponse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('serial', models.CharField(db_index=True, max_length=40)),
                ('not_after', models.DateTimeField()),
                ('saw_revocation', models.BooleanField(default=False)),
                ('this_update', models.DateTimeField()),
                ('next_update', models.DateTimeField()),
                ('sha1', models.BinaryField()),
                ('sha256', models.BinaryField()),
                ('authority', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='certificates.authority')),
            ],
            options={
                'indexes': [models.Index(models.F('authority'), models.F('this_update'), name='ocsp_renewal')],
            },
        ),
    ]
