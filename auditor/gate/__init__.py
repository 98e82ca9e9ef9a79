"""Claims as code: read from a file, judged on the results of an audit, told to continuous integration."""
