from django.db import migrations, models


class Migration(migrations.Migration):
    """Store the mail server that is set in the console."""

    dependencies = [
        ('notifications', '0007_services'),
    ]

    operations = [
        migrations.CreateModel(
            name='MailServer',
            fields=[
                (
                    'id',
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name='ID'
                    ),
                ),
                ('host', models.CharField(max_length=253)),
                ('port', models.PositiveIntegerField()),
                (
                    'security',
                    models.CharField(
                        choices=[('starttls', 'STARTTLS'), ('tls', 'TLS'), ('none', 'None')],
                        max_length=16,
                    ),
                ),
                ('sender', models.CharField(max_length=254)),
                ('username', models.CharField(blank=True, max_length=200)),
                ('encrypted', models.TextField(blank=True)),
            ],
            options={'default_permissions': ()},
        ),
    ]
