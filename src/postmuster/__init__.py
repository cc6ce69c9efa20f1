"""Postmuster: write to everyone, hear back by ordinary mail, and account for every step."""
