"""The command line at a server (``--server URL``): the same commands, with neither database nor broker here."""
