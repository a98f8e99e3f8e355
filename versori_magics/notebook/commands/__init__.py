"""The public functions; each magic is a thin call of one."""
