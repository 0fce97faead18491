"""What ``kedro COMMAND`` does in this project; :mod:`deepfake_pipeline.cli` lists the commands."""
