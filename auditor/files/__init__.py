"""Files that users write or read: text of any program, tables, documents; whole on disk or not at all."""
