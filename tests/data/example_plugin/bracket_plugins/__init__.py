"""Plug-ins for dyck-audit: one of each kind, each in a file of its own."""
