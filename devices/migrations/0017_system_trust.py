from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('devices', '0016_host_report'),
    ]

    operations = [
        migrations.AddField(
            model_name='zone',
            name='system_trust',
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
