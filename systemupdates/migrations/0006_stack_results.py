from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('systemupdates', '0005_plain_names'),
    ]

    operations = [
        migrations.AddField(
            model_name='assignment',
            name='stack_results',
            field=models.JSONField(null=True),
        ),
    ]
