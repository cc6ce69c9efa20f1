"""A whole muster played through with the simulated organisation, and its books compared with the organisation's own."""
