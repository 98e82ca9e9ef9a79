"""Claims as code: read from a file, judged on the results of an audit, reported to continuous integration."""
