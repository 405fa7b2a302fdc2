"""A state that moves once and leaves a trace; the audit chain."""
