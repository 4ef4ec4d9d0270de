"""Readers of the files in which data sets are published: one file a family."""
