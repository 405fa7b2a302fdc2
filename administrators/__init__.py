"""Who may work in the console: administrators, their roles, how they prove who they are."""
