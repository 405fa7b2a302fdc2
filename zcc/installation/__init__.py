"""A server that is installed with systemd: settings file, `zcc-manage`, database, migrations."""
