"""Kedro datasets of this project; they are named in the catalog alone."""
