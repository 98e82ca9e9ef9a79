"""What ``doctor`` looks at: the machine, then the database, then the broker and its workers."""
