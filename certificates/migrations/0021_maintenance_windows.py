from django.db import migrations, models


class Migration(migrations.Migration):
    """Store maintenance windows and change freezes."""

    dependencies = [
        ('certificates', '0020_revocation_lists'),
    ]

    operations = [
        migrations.CreateModel(
            name='ChangeFreeze',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('row_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('begins_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('reason', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['begins_at'],
            },
        ),
        migrations.CreateModel(
            name='MaintenanceWindow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('row_mac', models.CharField(blank=True, db_default='', default='', editable=False, max_length=64)),
                ('name', models.CharField(max_length=64, unique=True)),
                ('rule', models.TextField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
    ]
