from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('devices', '0015_device_by_registration'),
    ]

    operations = [
        migrations.AddField(
            model_name='device',
            name='host_report',
            field=models.JSONField(blank=True, null=True),
        ),
    ]
