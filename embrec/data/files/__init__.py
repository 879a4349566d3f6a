"""Other people's files and DataFrames: read, matched to columns, checked row by row."""
