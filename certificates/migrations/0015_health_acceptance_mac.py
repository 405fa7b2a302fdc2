from django.db import migrations, models


def delete_acceptances(apps, _schema_editor):
    """Delete acceptances without a MAC: they would count as written with SQL.

    Their findings are shown as open again.
    """
    apps.get_model("certificates", "HealthAcceptance").objects.all().delete()


class Migration(migrations.Migration):
    """Store the MACs of acceptances of findings."""

    dependencies = [
        ('certificates', '0014_health_acceptance'),
    ]

    operations = [
        migrations.RunPython(delete_acceptances, migrations.RunPython.noop, elidable=True),
        migrations.AddField(
            model_name='healthacceptance',
            name='row_mac',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=64),
        ),
    ]
