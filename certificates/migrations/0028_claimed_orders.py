from django.db import migrations, models


class Migration(migrations.Migration):
    """Store which orders of hosts a worker signs."""

    dependencies = [
        ('certificates', '0027_est'),
    ]

    operations = [
        migrations.AddField(
            model_name='acmeorder',
            name='claimed_until',
            field=models.DateTimeField(null=True),
        ),
    ]
