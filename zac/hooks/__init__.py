"""After a change of trust: the hooks of the administrator of this host."""
