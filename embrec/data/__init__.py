"""Ratings, movies and users: into the database, and out of it as arrays."""
