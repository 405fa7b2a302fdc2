from django.db import migrations, models


class Migration(migrations.Migration):
    """Store the MACs of API tokens."""

    dependencies = [
        ('console', '0005_api_token_parent'),
    ]

    operations = [
        migrations.AddField(
            model_name='apitoken',
            name='row_mac',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
    ]
