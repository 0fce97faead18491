"""Pipelines: a folder each, with its graph, its nodes and its parameters."""
