from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_append_only")]

    operations = [migrations.RenameModel("Head", "Checkpoint")]
