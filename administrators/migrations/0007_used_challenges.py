from django.db import migrations, models


class Migration(migrations.Migration):
    """Store which challenges of passkeys were used (D-277)."""

    dependencies = [
        ('people', '0006_passkeys'),
    ]

    operations = [
        migrations.CreateModel(
            name='UsedChallenge',
            fields=[
                ('digest', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('used_at', models.DateTimeField(db_index=True)),
            ],
            options={
                'default_permissions': (),
            },
        ),
    ]
