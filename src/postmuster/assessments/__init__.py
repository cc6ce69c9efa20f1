"""Privacy assessments: what may be collected, why, who sees it, how long, and whether a notice stays within."""
