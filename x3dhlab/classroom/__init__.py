"""A workshop: what an instructor has on the day, over the course as it stands."""
