"""What every room stands on: the clock, public ids, named SQL and the root of all errors."""
