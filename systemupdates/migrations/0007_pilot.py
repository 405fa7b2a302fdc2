from django.db import migrations, models


class Migration(migrations.Migration):
    """Mark the assignments of the pilot group."""

    dependencies = [
        ('systemupdates', '0006_stack_results'),
    ]

    operations = [
        migrations.AddField(
            model_name='assignment',
            name='is_pilot',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddIndex(
            model_name='assignment',
            index=models.Index('update', condition=models.Q(('is_pilot', True)), name='assignment_pilot'),
        ),
    ]
