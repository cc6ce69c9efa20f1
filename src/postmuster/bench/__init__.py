"""Measurements and agreement with the corpora; nothing here is needed in operation."""
