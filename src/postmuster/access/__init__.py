"""Officers, their roles, and who acts."""
