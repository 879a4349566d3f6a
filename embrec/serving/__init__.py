"""The data-access module: typed Python functions that call the SQL functions."""
