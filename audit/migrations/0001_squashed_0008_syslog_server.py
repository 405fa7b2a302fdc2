import django.db.models.deletion
from django.db import migrations, models


from audit.chain import append_only


def install(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for statement in (
        *append_only.install_statements(vendor),
        *append_only.object_install_statements(vendor),
    ):
        schema_editor.execute(statement, params=None)


def remove(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for statement in (
        *append_only.object_removal_statements(vendor),
        *append_only.removal_statements(vendor),
    ):
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    """All migrations until this one, for a new database. A database that has some of them runs the rest."""

    replaces = [
        ('ledger', '0001_initial'),
        ('ledger', '0002_append_only'),
        ('ledger', '0003_checkpoint'),
        ('ledger', '0004_entry_count'),
        ('ledger', '0005_witnesses'),
        ('ledger', '0006_row_macs'),
        ('ledger', '0007_entry_names'),
        ('ledger', '0008_syslog_server'),
    ]

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Checkpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seq', models.BigIntegerField(default=0)),
                ('digest', models.CharField(default='0000000000000000000000000000000000000000000000000000000000000000', max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name='LossAcceptance',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('branch', models.PositiveIntegerField(unique=True)),
                ('envelope', models.TextField()),
            ],
            options={
                'ordering': ['-branch'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='SyslogServer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('host', models.CharField(max_length=253)),
                ('port', models.PositiveIntegerField(default=6514)),
                ('roots_pem', models.TextField(blank=True)),
                ('revision', models.PositiveIntegerField(default=1)),
                ('seq', models.BigIntegerField(default=0)),
                ('digest', models.CharField(default='0000000000000000000000000000000000000000000000000000000000000000', max_length=64)),
                ('due_at', models.DateTimeField()),
                ('failures', models.PositiveIntegerField(default=0)),
                ('problem', models.CharField(blank=True, max_length=300)),
                ('failed_since', models.DateTimeField(null=True)),
                ('sent_at', models.DateTimeField(null=True)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='AlteredRow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('label', models.CharField(max_length=100)),
                ('key', models.CharField(max_length=64)),
                ('name', models.CharField(max_length=200)),
                ('found_at', models.DateTimeField()),
                ('notified_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['pk'],
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(models.F('label'), models.F('key'), name='altered_row_once')],
            },
        ),
        migrations.CreateModel(
            name='CheckpointMismatch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('branch', models.PositiveIntegerField()),
                ('seq', models.BigIntegerField()),
                ('digest', models.CharField(max_length=64)),
                ('witness', models.CharField(max_length=200)),
                ('last_seq', models.BigIntegerField()),
                ('found_at', models.DateTimeField()),
                ('notified_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['-branch', '-seq', 'pk'],
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(models.F('branch'), models.F('seq'), models.F('digest'), name='checkpoint_mismatch_once')],
            },
        ),
        migrations.CreateModel(
            name='Entry',
            fields=[
                ('seq', models.BigIntegerField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField(db_index=True)),
                ('actor', models.CharField(max_length=200)),
                ('address', models.CharField(blank=True, max_length=64)),
                ('session', models.CharField(blank=True, max_length=64)),
                ('action', models.CharField(db_index=True, max_length=64)),
                ('subject', models.CharField(db_index=True, max_length=200)),
                ('here', models.CharField(blank=True, max_length=32)),
                ('there', models.CharField(blank=True, max_length=32)),
                ('note', models.TextField(blank=True)),
                ('detail', models.JSONField(default=dict)),
                ('names', models.JSONField(null=True)),
                ('previous', models.CharField(max_length=64)),
                ('digest', models.CharField(max_length=64)),
            ],
            options={
                'ordering': ['seq'],
                'indexes': [models.Index(fields=['actor', 'seq'], name='entry_actor')],
            },
        ),
        migrations.CreateModel(
            name='EntryCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(max_length=80)),
                ('kind', models.CharField(max_length=64)),
                ('day', models.DateField()),
                ('count', models.BigIntegerField(default=0)),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(fields=['day', 'kind'], name='entry_count_day')],
                'constraints': [models.UniqueConstraint(models.F('source'), models.F('kind'), models.F('day'), name='entry_count_once')],
            },
        ),
        migrations.CreateModel(
            name='EntryObject',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject', models.CharField(max_length=200)),
                ('name', models.CharField(max_length=200)),
                ('entry', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='objects_named', to='ledger.entry')),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(fields=['subject', 'entry'], name='entry_object_subject')],
                'constraints': [models.UniqueConstraint(models.F('entry'), models.F('subject'), name='entry_object_once')],
            },
        ),
        migrations.RunPython(install, remove),
    ]
