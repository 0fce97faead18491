"""Commands that run the project, say what a run would read, and compare what runs gave."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import _split_params, env_option
from kedro.pipeline import Pipeline

from deepfake_pipeline.commands.shared import check_names, one_line_errors, parameters
from deepfake_pipeline.tables.errors import UserError

_SELECTION = {
    "tags": "tags",
    "from_nodes": "from_nodes",
    "to_nodes": "to_nodes",
    "node_names": "node_names",
    "from_inputs": "from_inputs",
    "to_outputs": "to_outputs",
    "namespaces": "node_namespaces",
}
"""Options of ``kedro run`` that choose nodes, and what ``Pipeline.filter`` calls them."""


def _run(**options: Any) -> Any:
    """Kedro's own command, after a look at the names that it would only trip over."""
    pipelines = [*options.get("pipelines", []), *filter(None, [options.get("pipeline")])]
    check_names(options.get("env"), pipelines)
    selection = {argument: options[option] for option, argument in _SELECTION.items() if options.get(option)}
    _check_selection(pipelines, selection)
    return kedro_run.callback(**options)  # type: ignore[misc]


def _check_selection(pipelines: list[str], selection: dict[str, Any]) -> None:
    """Refuse nodes, tags and datasets that the pipelines do not have.

    Raises:
        UserError: what is not there, and which pipeline has it.
    """
    from deepfake_pipeline.pipeline_registry import register_pipelines

    registered = register_pipelines() if selection else {}

    def refused(names: list[str]) -> str:
        try:
            sum((registered[name] for name in names), start=Pipeline([])).filter(**selection)
        except ValueError as error:
            return str(error).rstrip(".").replace("Pipeline", ", ".join(names), 1)
        return ""

    if selection and (reason := refused(pipelines or ["__default__"])):
        homes = [name for name in registered if not refused([name])]
        raise UserError(reason + (f": try --pipelines {' or '.join(homes)}" if homes else ""))


run = click.Command(
    "run",
    params=kedro_run.params,
    callback=one_line_errors(_run),
    help=kedro_run.help,
    short_help="Run the pipeline.",
)


@click.command("inspect-source")
@click.argument("uri")
@click.option(
    "--layout", default="auto", show_default=True, help="How files and labels lie; auto takes the layout that fits."
)
@click.option("--params", default="", callback=_split_params, help="As of kedro run: study.KEY=…, ingestion.KEY=…")
@click.option("--workers", type=click.IntRange(1, 256), default=2, show_default=True, help="Processes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every refused file.")
@env_option
@click.pass_obj
@one_line_errors
def inspect_source(
    metadata: Any, uri: str, layout: str, params: dict[str, Any], workers: int, as_json: bool, env: str | None
) -> None:
    """Say what would be ingested from a folder, an archive or an address, and write nothing into the project.

    Counts files by label, method and split, the sizes of groups, and refused files with their reasons; names the
    layout, and what showed it.
    """
    from deepfake_pipeline.media.inspection import as_lines, inspect_source
    from deepfake_pipeline.pipelines.parameters import validated

    check_names(env, [])
    given = parameters(metadata.project_path, env, params)
    study = {**given.get("study", {}), "name": "source", "uri": uri, "layout": layout, **params.get("study", {})}
    groups = validated({**given, "study": study})
    found = inspect_source(groups["study"], groups["ingestion"], groups["ingestion"].archive, workers)
    for line in [json.dumps(found.to_dict(), ensure_ascii=False)] if as_json else as_lines(found):
        click.echo(line)


@click.command("dvc-yaml")
@click.option("--check", is_flag=True, help="Write nothing; fail where the file is not what it would be.")
@env_option
@click.pass_obj
@one_line_errors
def dvc_yaml(metadata: Any, check: bool, env: str | None) -> None:
    """Write the DVC stages: dvc.yaml, or lineage/ENV/dvc.yaml for an overlay."""
    from deepfake_pipeline.lineage import BASE, lineage_file, render_lineage

    project, env = Path(metadata.project_path), env or BASE
    check_names(env, [])
    file, text = lineage_file(project, env), render_lineage(project, env)
    shown = file.relative_to(project)
    if not check:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        click.echo(f"{shown} written")
    elif not file.exists() or file.read_text(encoding="utf-8") != text:
        option = "" if env == BASE else f" --env {env}"
        raise UserError(f"{shown} is stale: run `kedro dvc-yaml{option}` and commit it")
    else:
        click.echo(f"{shown} is up to date")


@click.command("compare-run")
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-6,
    show_default=True,
    help="Real numbers x and y may differ by this, times the larger of 1, |x| and |y|.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a dataset, for machines.")
@one_line_errors
def compare_run(first: Path, second: Path, tolerance: float, as_json: bool) -> None:
    """Say which datasets, models and metrics of two runs differ, and by how much.

    A and B are data roots (folders with 01_raw … 08_reporting) or checkouts of the project. The exit status is 0
    only if everything is equal within the tolerance.
    """
    from deepfake_pipeline.reporting import compare_output as out
    from deepfake_pipeline.reporting.compare import Comparison, compare_runs

    equal = True

    def watched() -> Iterator[Comparison]:
        nonlocal equal
        for comparison in compare_runs(first, second, tolerance):
            equal = equal and comparison.equal
            yield comparison

    columns = shutil.get_terminal_size().columns
    for line in map(out.as_json, watched()) if as_json else out.lines(watched(), tolerance, columns):
        click.echo(line)
    if not equal:
        sys.exit(1)


@click.command("cross-dataset")
@click.argument("roots", nargs=-1, required=True, metavar="ROOT...", type=click.Path(path_type=Path))
@click.option("--figure", type=click.Path(dir_okay=False, path_type=Path), help="Draw the matrix into a .png file.")
@click.option("--accelerator", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@one_line_errors
def cross_dataset(roots: tuple[Path, ...], figure: Path | None, accelerator: str) -> None:
    """Let the detector of every finished run judge the test faces of every run.

    ROOT is a run's data root (a folder with 01_raw … 08_reporting), such as data or data/dfdc_faces. AUROC, with 95 %
    intervals by group: a row is what the detector was trained on, a column what it judges.
    """
    from deepfake_pipeline.reporting.cross import matrix_chart
    from deepfake_pipeline.scoring import cross

    matrix = cross.cross_dataset(*cross.read_runs(roots), accelerator)
    for line in cross.lines(matrix):
        click.echo(line)
    if figure:
        figure.write_bytes(matrix_chart(matrix).picture())
