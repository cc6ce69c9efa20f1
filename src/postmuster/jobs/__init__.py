"""Journeys: one file each, the only place that joins rooms in one transaction and knows the job queue."""
