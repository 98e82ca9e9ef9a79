"""The command-line door: parses, calls one function, prints. Nothing below this package prints."""
