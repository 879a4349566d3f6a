"""The data-access module: thin callers of the SQL functions that answer."""
