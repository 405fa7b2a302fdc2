from django.db import migrations, models


class Migration(migrations.Migration):
    """Store which account keys allow EST."""

    dependencies = [
        ('certificates', '0026_acme'),
    ]

    operations = [
        migrations.AddField(
            model_name='acmeaccountkey',
            name='allows_est',
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
