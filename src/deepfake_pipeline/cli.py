"""The commands of this project, where Kedro looks for them."""

from __future__ import annotations

import click

from deepfake_pipeline.commands import faces, project


@click.group(name="deepfake_pipeline")
def cli() -> None:
    """Commands of deepfake_pipeline."""


for command in (
    project.run,
    project.inspect_source,
    project.dvc_yaml,
    project.compare_run,
    project.cross_dataset,
    faces.score,
    faces.enhance,
    faces.export,
    faces.export_faces,
):
    cli.add_command(command)
