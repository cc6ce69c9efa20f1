"""A row per person and round, batches under a lease, letters, and the client that hands mail to the relay."""
