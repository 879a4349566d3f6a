"""Model runs in the database: their records, vectors, publishing, experiments and cleanup."""
