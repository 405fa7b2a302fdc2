import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    """All migrations until this one, for a new database. A database that has some of them runs the rest."""

    replaces = [
        ('systemupdates', '0001_initial'),
        ('systemupdates', '0002_replica_tool_sha256'),
        ('systemupdates', '0003_samples_stages_delete'),
        ('systemupdates', '0004_tally'),
        ('systemupdates', '0005_plain_names'),
        ('systemupdates', '0006_stack_results'),
        ('systemupdates', '0007_pilot'),
    ]

    initial = True

    dependencies = [
        ('devices', '0001_squashed_0018_device_summary'),
    ]

    operations = [
        migrations.CreateModel(
            name='Stage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=64, unique=True)),
                ('position', models.PositiveSmallIntegerField()),
                ('timeout_seconds', models.PositiveIntegerField()),
                ('devices', models.ManyToManyField(blank=True, related_name='stages', to='devices.device')),
            ],
            options={
                'ordering': ['position', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='SystemUpdate',
            fields=[
                ('guid', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100)),
                ('kind', models.CharField(max_length=24)),
                ('state', models.CharField(choices=[('created', 'Created'), ('replicating', 'Replicating'), ('replicated', 'Replicated'), ('assigned', 'Assigned'), ('in-progress', 'In Progress'), ('completed', 'Completed'), ('baselined', 'Baselined'), ('canceled', 'Canceled'), ('error', 'Error')], default='created', max_length=24)),
                ('revision', models.PositiveIntegerField(default=1)),
                ('envelope', models.JSONField(null=True)),
                ('files', models.JSONField(default=list)),
                ('activates_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('assigned_at', models.DateTimeField(null=True)),
                ('assigned_manually', models.BooleanField(default=False)),
                ('staged', models.BooleanField(default=False)),
                ('deleted_at', models.DateTimeField(null=True)),
                ('counts', models.JSONField(default=dict)),
                ('counted_at', models.DateTimeField(null=True)),
                ('initiating_server', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='devices.device')),
            ],
            options={
                'ordering': ['-created_at'],
                'permissions': [('deploy_update', 'Assign, ignore, redeploy and baseline updates')],
            },
        ),
        migrations.CreateModel(
            name='StageRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('wave', models.PositiveSmallIntegerField()),
                ('name', models.CharField(max_length=64)),
                ('timeout_seconds', models.PositiveIntegerField()),
                ('started_at', models.DateTimeField(null=True)),
                ('update', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='stage_runs', to='systemupdates.systemupdate')),
            ],
            options={
                'ordering': ['wave'],
                'constraints': [models.UniqueConstraint(models.F('update'), models.F('wave'), name='one_run_per_stage')],
            },
        ),
        migrations.CreateModel(
            name='RolloutSample',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('counts', models.JSONField()),
                ('update', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='samples', to='systemupdates.systemupdate')),
            ],
            options={
                'ordering': ['at', 'pk'],
                'indexes': [models.Index(models.F('update'), models.F('at'), name='sample_by_time')],
            },
        ),
        migrations.CreateModel(
            name='Replica',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('replicating', 'Replicating'), ('available', 'Available'), ('failed', 'Failed'), ('excluded', 'Excluded'), ('withdrawn', 'Withdrawn')], default='pending', max_length=24)),
                ('progress', models.PositiveSmallIntegerField(default=0)),
                ('reason', models.TextField(blank=True)),
                ('tool_sha256', models.CharField(blank=True, max_length=64)),
                ('changed_at', models.DateTimeField(auto_now=True)),
                ('server', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='replicas', to='devices.device')),
                ('update', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='replicas', to='systemupdates.systemupdate')),
            ],
            options={
                'constraints': [models.UniqueConstraint(models.F('update'), models.F('server'), name='one_replica_per_server')],
            },
        ),
        migrations.CreateModel(
            name='Assignment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('assigned', 'Update Assigned'), ('downloading', 'Downloading'), ('applying', 'Applying'), ('applied', 'Update Applied'), ('activating', 'Activating'), ('activated', 'Activated'), ('failed', 'Failed'), ('ignored', 'Ignored'), ('canceled', 'Canceled'), ('needs-crt', 'Needs CRT')], default='pending', max_length=24)),
                ('wave', models.PositiveSmallIntegerField(default=2)),
                ('step', models.CharField(blank=True, max_length=32)),
                ('attempt', models.PositiveIntegerField(default=0)),
                ('reason', models.TextField(blank=True)),
                ('action', models.TextField(blank=True)),
                ('changed_at', models.DateTimeField(null=True)),
                ('applied_at', models.DateTimeField(null=True)),
                ('activated_at', models.DateTimeField(null=True)),
                ('confirmed_at', models.DateTimeField(null=True)),
                ('redeploy', models.BooleanField(default=False)),
                ('cancellation_acknowledged', models.BooleanField(default=False)),
                ('preflight_results', models.JSONField(null=True)),
                ('preflight_at', models.DateTimeField(null=True)),
                ('stack_results', models.JSONField(null=True)),
                ('is_pilot', models.BooleanField(db_default=False, default=False)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='assignments', to='devices.device')),
                ('update', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='assignments', to='systemupdates.systemupdate')),
            ],
            options={
                'indexes': [models.Index(models.F('update'), models.F('state'), models.F('id'), name='assignment_status'), models.Index(models.F('device'), models.F('state'), name='assignment_of_device'), models.Index(models.F('update'), condition=models.Q(('is_pilot', True)), name='assignment_pilot')],
                'constraints': [models.UniqueConstraint(models.F('update'), models.F('device'), name='one_assignment_per_device')],
            },
        ),
        migrations.CreateModel(
            name='TrustNotice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('application/vnd.zcc.go+json', 'Activation order'), ('application/vnd.zcc.cancel+json', 'Cancellation'), ('application/vnd.zcc.activated+json', 'Activation'), ('application/vnd.zcc.retire+json', 'Root retirement'), ('application/vnd.zcc.rollback+json', 'Rollback')], max_length=64)),
                ('revision', models.PositiveIntegerField(default=1)),
                ('envelope', models.JSONField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('update', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='notices', to='systemupdates.systemupdate')),
            ],
            options={
                'constraints': [models.UniqueConstraint(models.F('update'), models.F('kind'), models.F('revision'), name='one_notice_per_revision')],
            },
        ),
    ]
