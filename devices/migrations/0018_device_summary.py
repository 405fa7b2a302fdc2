from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('devices', '0017_system_trust'),
    ]

    operations = [
        migrations.CreateModel(
            name='DeviceSummary',
            fields=[
                ('name', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('taken_at', models.DateTimeField()),
                ('devices', models.PositiveIntegerField()),
                ('content', models.JSONField()),
            ],
        ),
    ]
