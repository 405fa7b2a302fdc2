from django.db import migrations, models

from audit.chain import append_only


def install(apps, schema_editor):
    for statement in append_only.object_install_statements(schema_editor.connection.vendor):
        schema_editor.execute(statement, params=None)


def remove(apps, schema_editor):
    for statement in append_only.object_removal_statements(schema_editor.connection.vendor):
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    """Store the names of objects in entries. Existing entries and their digests do not change."""

    dependencies = [
        ('ledger', '0006_row_macs'),
    ]

    operations = [
        # A column without a default: SQLite then keeps the table, and with it the triggers.
        migrations.AddField(
            model_name='entry',
            name='names',
            field=models.JSONField(null=True),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['actor', 'seq'], name='entry_actor'),
        ),
        migrations.CreateModel(
            name='EntryObject',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject', models.CharField(max_length=200)),
                ('name', models.CharField(max_length=200)),
                ('entry', models.ForeignKey(db_constraint=False, db_index=False, on_delete=models.DO_NOTHING, related_name='objects_named', to='ledger.entry')),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(fields=['subject', 'entry'], name='entry_object_subject')],
                'constraints': [models.UniqueConstraint(models.F('entry'), models.F('subject'), name='entry_object_once')],
            },
        ),
        migrations.RunPython(install, remove),
    ]
