from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("certificates", "0024_subordinate_cas"),
    ]

    operations = [
        migrations.AddField(
            model_name='futurecertificate',
            name='claimed_until',
            field=models.DateTimeField(null=True),
        ),
    ]
