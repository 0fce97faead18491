"""Commands that judge, restore and export: faces, pictures, videos, and the networks for them."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.utils import env_option

from deepfake_pipeline.commands.shared import catalog, check_names, data_root, one_line_errors
from deepfake_pipeline.tables.errors import UserError


@click.command()
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
@click.option(
    "--enhance",
    is_flag=True,
    help="Put each face through the release's enhancer first, as those that its card calls enhanced were; slower.",
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
    enhance: bool,
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
    release = find_release(wanted, data_root(metadata.project_path, env) / "06_models")
    rows = score_files(
        paths, release, faces=faces, workers=workers, accelerator=accelerator, explain=explain, enhance=enhance
    )
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
    if counts["unsure"] and not enhance and release.unsure_enhanced is not None:
        click.echo("with --enhance poor pictures may get a verdict; the card tells how many do", err=True)
    if not counts["real"] + counts["fake"] + counts["unsure"]:
        sys.exit(1)


@click.command()
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

    release = find_release(wanted, data_root(metadata.project_path, env) / "06_models")
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


@click.command()
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

    release = find_release(wanted, data_root(metadata.project_path, env) / "06_models")
    record = export_release(release, folder)
    click.echo(f"release: {release.name}", err=True)
    for name, file in record["files"].items():
        difference = f"within {file['largest_difference']:.1e} of torch"
        click.echo(f"{folder / name}  {file['bytes']:,} bytes, {difference}")


@click.command("export-faces")
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

    check_names(env, [])
    if format_ == "coco" and (src or dst):
        raise UserError("--src and --dst are of --format swap: coco writes all faces")
    out = out.absolute()
    with contextlib.chdir(metadata.project_path):  # paths of the catalog are relative to the project
        datasets = catalog(env)
        for name in ("faces", "manifest", "crop_geometry"):
            if not datasets.exists(name):
                option = f" --env {env}" if env else ""
                raise UserError(f"no {name} yet: run `kedro run{option} --pipelines ingestion,face_extraction` first")
        faces = datasets.load("faces")
        if format_ == "coco":
            counts = export_coco(faces, datasets.load("manifest"), out)
        else:
            sides = chosen_by(src), chosen_by(dst)
            counts = export_swap_folders(faces, out, *sides, geometry=datasets.load("crop_geometry"))
    click.echo(f"{out}: {', '.join(f'{count:,} {name}' for name, count in counts.items())}")
