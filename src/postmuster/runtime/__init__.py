"""Processes and the machine: the embedded database, first set-up, checks, and the crew of workers."""
