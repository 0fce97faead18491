"""Commands of this project: ``kedro run`` with one-line errors, and those that need no run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import KedroCliError, _split_params, env_option

from deepfake_pipeline.tables.errors import UserError


@click.group(name="deepfake_pipeline")
def cli() -> None:
    """Commands of deepfake_pipeline."""


def one_line_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Show a user's mistake in one line, without a traceback, and exit with status 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except Exception as error:
            message = user_message(error)
            if message is None:
                raise
            click.secho(f"error: {message}", fg="red", err=True)
            sys.exit(1)

    return wrapped


def user_message(error: BaseException) -> str | None:
    """What to tell a user of an error that the user can mend; None for all others."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, UserError | KedroCliError):
            return str(seen)
        seen = seen.__cause__ or seen.__context__
    return None


def _run(**options: Any) -> Any:
    """Kedro's own command, after a look at the names that it would only trip over."""
    _check_names(options.get("env"), [*options.get("pipelines", []), *filter(None, [options.get("pipeline")])])
    return kedro_run.callback(**options)  # type: ignore[misc]


def _check_names(env: str | None, pipelines: list[str]) -> None:
    """Refuse an overlay or a pipeline that does not exist.

    Raises:
        UserError: no such name, and which there are.
    """
    from deepfake_pipeline.pipeline_registry import ON_DEMAND, STAGES

    overlays = sorted(folder.name for folder in Path("conf").iterdir() if folder.is_dir())
    if env and env not in overlays:
        raise UserError(f"no overlay conf/{env}: there are {', '.join(overlays)}")
    known = [*STAGES, *ON_DEMAND, "__default__"]
    if unknown := [name for name in pipelines if name not in known]:
        raise UserError(f"no pipeline {', '.join(unknown)}: there are {', '.join(known)}")


cli.add_command(
    click.Command(
        "run",
        params=kedro_run.params,
        callback=one_line_errors(_run),
        help=kedro_run.help,
        short_help="Run the pipeline.",
    )
)


@cli.command("inspect-source")
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

    _check_names(env, [])
    given = _parameters(metadata.project_path, env, params)
    study = {**given.get("study", {}), "name": "source", "uri": uri, "layout": layout, **params.get("study", {})}
    groups = validated({**given, "study": study})
    found = inspect_source(groups["study"], groups["ingestion"], groups["ingestion"].archive, workers)
    for line in [json.dumps(found.to_dict(), ensure_ascii=False)] if as_json else as_lines(found):
        click.echo(line)


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write a .parquet or .csv file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, for machines.")
@click.option(
    "--faces",
    type=click.Choice(["auto", "detect", "whole"]),
    default="auto",
    show_default=True,
    help="Look for faces; take each picture or frame as one face; or decide by the picture.",
)
@click.option(
    "--release",
    "wanted",
    help="champion, packaged, last-run, a version or a path. By default the champion, if one is set, else packaged.",
)
@click.option(
    "--explain",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write a picture of each face to, beside a map of what speaks for forgery in it.",
)
@click.option("--workers", type=click.IntRange(1, 256), default=2, show_default=True, help="Processes.")
@click.option("--accelerator", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@env_option
@click.pass_obj
@one_line_errors
def score(
    metadata: Any,
    paths: tuple[Path, ...],
    output: Path | None,
    as_json: bool,
    faces: Any,
    wanted: str | None,
    explain: Path | None,
    workers: int,
    accelerator: str,
    env: str | None,
) -> None:
    """Say of pictures and videos, or of folders of them, whether their faces are forged.

    Parquet, CSV and JSON hold a row a face (level "face") and, after the faces of each file, one for the file (level
    "file"): an image counts as its most forged face, a video as its most forged person (the mean over that person's
    frames). A verdict is real, fake or unsure. The exit status is 1 only if nothing could be scored.
    """
    from deepfake_pipeline.engine import tune_malloc
    from deepfake_pipeline.scoring import output as out
    from deepfake_pipeline.scoring.release import find_release
    from deepfake_pipeline.scoring.score import score_files

    tune_malloc()
    if output:
        out.check_output(output)
    release = find_release(wanted, _data_root(metadata.project_path, env) / "06_models")
    rows = score_files(paths, release, faces=faces, workers=workers, accelerator=accelerator, explain=explain)
    click.echo(f"release: {release.name}", err=True)
    counts = Counter[str]()
    width = out.path_width([str(path) for path in paths], shutil.get_terminal_size().columns)

    def counted() -> Iterator[dict[str, Any]]:
        for row in rows:
            if row["level"] == "file":
                counts[row.get("verdict") or "not scored"] += 1
            yield row

    if output:
        out.write_scores(counted(), output)
        click.echo(f"scores: {output}", err=True)
    else:
        for line in map(out.as_json, counted()) if as_json else out.table(counted(), width):
            click.echo(line)
    click.echo(", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no file found", err=True)
    if not counts["real"] + counts["fake"] + counts["unsure"]:
        sys.exit(1)


@cli.command("dvc-yaml")
@click.option("--check", is_flag=True, help="Write nothing; fail where the file is not what it would be.")
@env_option
@click.pass_obj
@one_line_errors
def dvc_yaml(metadata: Any, check: bool, env: str | None) -> None:
    """Write the DVC stages: dvc.yaml, or lineage/ENV/dvc.yaml for an overlay."""
    from deepfake_pipeline.lineage import BASE, lineage_file, render_lineage

    project, env = Path(metadata.project_path), env or BASE
    _check_names(env, [])
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


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", "folder", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where to write."
)
@click.option(
    "--repair",
    help="router (does what is best for what seems to ail a picture), enhancer (the release's network), or a classical "
    "repair such as median3, unsharp or jpeg_deblocking; by default the router, where the release has one.",
)
@click.option("--release", "wanted", help="champion, packaged, last-run, a version or a path.")
@click.option("--accelerator", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@env_option
@click.pass_obj
@one_line_errors
def enhance(
    metadata: Any,
    paths: tuple[Path, ...],
    folder: Path,
    repair: str | None,
    wanted: str | None,
    accelerator: str,
    env: str | None,
) -> None:
    """Restore pictures and videos, or folders of them; sources are never changed.

    Of pictures, alpha, EXIF and format stay. Videos are written as VP9 (.mp4, .mkv and .webm keep their container,
    others become NAME.mkv); their sound is copied as it is, every frame keeps its time, and one repair is chosen for
    all frames. The exit status is 1 only if nothing could be restored.
    """
    from deepfake_pipeline.scoring.enhance import REPAIR_NAMES, best_repair, build_repair, enhance_files
    from deepfake_pipeline.scoring.release import find_release

    release = find_release(wanted, _data_root(metadata.project_path, env) / "06_models")
    repair = repair or best_repair(release)
    click.echo(f"repair: {repair}{f' of {release.name}' if repair in REPAIR_NAMES[:2] else ''}", err=True)
    counts = Counter[str]()
    for done in enhance_files(paths, folder, build_repair(repair, release, accelerator)):
        counts["restored" if done.target else "refused"] += 1
        if done.refused:
            click.echo(f"{done.source}: {done.refused.reason.value}, {done.refused.detail}", err=True)
    click.echo(", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no file found", err=True)
    if not counts["restored"]:
        sys.exit(1)


def _data_root(project: Path, env: str | None) -> Path:
    """Where the layers of an overlay's data set lie."""
    from kedro.config import OmegaConfigLoader

    conf = str(project / "conf")
    loader = OmegaConfigLoader(conf, env=env or os.environ.get("KEDRO_ENV"), base_env="base", default_run_env="local")
    return project / str(loader["globals"]["data_root"])


@cli.command(name="compare-run")
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


@cli.command("cross-dataset")
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


@cli.command()
@click.option(
    "--release",
    "wanted",
    help="champion, packaged, last-run or a path. By default the champion if one is set, else the packaged one.",
)
@click.option("--out", "folder", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@env_option
@click.pass_obj
@one_line_errors
def export(metadata: Any, wanted: str | None, folder: Path, env: str | None) -> None:
    """Export a release to ONNX: its detector and its enhancer, checked against torch."""
    from deepfake_pipeline.scoring.onnx import export_release
    from deepfake_pipeline.scoring.release import find_release

    release = find_release(wanted, _data_root(metadata.project_path, env) / "06_models")
    record = export_release(release, folder)
    click.echo(f"release: {release.name}", err=True)
    for name, file in record["files"].items():
        difference = f"within {file['largest_difference']:.1e} of torch"
        click.echo(f"{folder / name}  {file['bytes']:,} bytes, {difference}")


@cli.command("export-faces")
@click.option("--format", "format_", required=True, type=click.Choice(["swap", "coco"]), help="What is written.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="swap: a new folder; coco: a .json file.")
@click.option("--src", multiple=True, metavar="COLUMN=VALUE", help="swap: which faces replace; all of several hold.")
@click.option("--dst", multiple=True, metavar="COLUMN=VALUE", help="swap: which faces are replaced.")
@env_option
@click.pass_obj
@one_line_errors
def export_faces(
    metadata: Any, format_: str, out: Path, src: tuple[str, ...], dst: tuple[str, ...], env: str | None
) -> None:
    """Write the faces that face_extraction cut for other tools.

    swap: folders data_src and data_dst with aligned faces and their metadata, such as --src group=id0 --dst group=id1;
    columns are label (real or forged), group, split, method, source, sample_id and track. coco: one JSON file with the
    images, boxes, labels and five points.
    """
    from deepfake_pipeline.faces.export import chosen_by, export_coco, export_swap_folders

    _check_names(env, [])
    if format_ == "coco" and (src or dst):
        raise UserError("--src and --dst are of --format swap: coco writes all faces")
    out = out.absolute()
    with contextlib.chdir(metadata.project_path):  # paths of the catalog are relative to the project
        catalog = _catalog(env)
        for name in ("faces", "manifest", "crop_geometry"):
            if not catalog.exists(name):
                option = f" --env {env}" if env else ""
                raise UserError(f"no {name} yet: run `kedro run{option} --pipelines ingestion,face_extraction` first")
        faces = catalog.load("faces")
        if format_ == "coco":
            counts = export_coco(faces, catalog.load("manifest"), out)
        else:
            sides = chosen_by(src), chosen_by(dst)
            counts = export_swap_folders(faces, out, *sides, geometry=catalog.load("crop_geometry"))
    click.echo(f"{out}: {', '.join(f'{count:,} {name}' for name, count in counts.items())}")


def _catalog(env: str | None) -> Any:
    """The datasets of an overlay, without the hooks of a run."""
    from kedro.config import OmegaConfigLoader
    from kedro.io import DataCatalog

    from deepfake_pipeline.settings import CONFIG_LOADER_ARGS

    arguments: dict[str, Any] = {**CONFIG_LOADER_ARGS, "env": env or os.environ.get("KEDRO_ENV")}
    return DataCatalog.from_config(OmegaConfigLoader("conf", **arguments)["catalog"])


def _parameters(project: Path, env: str | None, given: dict[str, Any]) -> Any:
    """The parameters as a run would read them."""
    from kedro.config import OmegaConfigLoader

    from deepfake_pipeline.settings import CONFIG_LOADER_ARGS

    arguments: dict[str, Any] = {**CONFIG_LOADER_ARGS, "env": env or os.environ.get("KEDRO_ENV")}
    return OmegaConfigLoader(str(project / "conf"), runtime_params=given, **arguments)["parameters"]
