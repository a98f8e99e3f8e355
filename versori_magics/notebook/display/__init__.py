"""The objects that the public functions return and display: results, DataFrames and progress."""
