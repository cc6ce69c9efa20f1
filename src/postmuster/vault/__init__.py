"""Sealed bytes by reference, under keys that can die."""
