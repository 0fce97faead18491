"""The one training loop: every network, one core or CUDA, interrupted or not."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from torch import nn

from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.models.run import computes_bfloat16, pick_device
from deepfake_pipeline.training.config import LoopConfig
from deepfake_pipeline.training.feed import Feed, loader
from deepfake_pipeline.training.result import Fitted, History, Runtime
from deepfake_pipeline.training.tasks import Task

logger = logging.getLogger(__name__)
for _name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero", "pytorch_lightning.utilities.rank_zero"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def fit(
    build: Callable[[], nn.Module],
    task: Callable[[nn.Module, Any, int, int], Task],
    train: Feed,
    validation: Feed,
    config: LoopConfig,
    runtime: Runtime,
    fingerprint: str = "",
) -> Fitted:
    """Train a network; an interrupted call with the same arguments goes on after its last whole epoch.

    Args:
        build: makes the untrained network; its weights depend on ``runtime.seed``.
        task: what it is trained to do.
        train: samples it learns from.
        validation: samples that choose the epoch; nothing else does.
        config: epochs, batch, optimizer, schedule, patience.
        runtime: seed, threads, device, where checkpoints lie.
        fingerprint: of the data; with the settings it names the checkpoint folder.
    """
    use_threads(runtime.threads)
    tune_malloc()
    torch.manual_seed(runtime.seed)
    network = build()
    if config.compile and pick_device(runtime.accelerator).type == "cuda":
        network.compile()  # in place: the names of its weights stay
    drawn = config.epoch_faces or len(train)
    module = task(network, config, runtime.seed, config.max_epochs * -(-drawn // config.batch_size))
    with _checkpoint_folder(network, config, runtime, fingerprint) as folder:
        finished = folder / "history.json"
        if not finished.exists():
            history = _run_trainer(module, _Feeds(train, validation, config, runtime), config, runtime, folder)
            kept = _best(history, config)
            marked = [{**row, "kept": float(number == kept)} for number, row in enumerate(history)]
            _write_whole(finished, json.dumps(marked))
            (folder / "last.ckpt").unlink(missing_ok=True)
        best = torch.load(folder / "best.ckpt", map_location="cpu", weights_only=True)
        module.load_state_dict(best["state_dict"])
        return Fitted(module.network.cpu().eval(), json.loads(finished.read_text()))


def _run_trainer(
    module: Task, feeds: lightning.LightningDataModule, config: LoopConfig, runtime: Runtime, folder: Path
) -> History:
    last = folder / "last.ckpt"
    book = _HistoryBook(runtime.label)
    if last.exists():
        book.load_state_dict(torch.load(last, map_location="cpu", weights_only=True)["callbacks"]["history"])
        logger.info("%straining goes on after epoch %d", runtime.label, len(book.rows))
    if _is_over(book.rows, config):
        return book.rows
    mode = "min" if config.monitor == "val_loss" else "max"
    callbacks: list[Callback] = [
        book,
        # A checkpoint of weights alone would hold those that are trained, not their average.
        _checkpoint(folder, "best", monitor=config.monitor, mode=mode, save_weights_only=not config.ema_decay),
        _checkpoint(folder, "last"),
    ]
    if config.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=config.ema_decay))
    if config.patience:
        callbacks.append(EarlyStopping(config.monitor, patience=config.patience, mode=mode))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer = lightning.Trainer(
            accelerator={"cuda": "gpu"}.get(runtime.accelerator, runtime.accelerator),
            devices=1,
            precision=resolve_precision(config.precision, runtime.accelerator),
            max_epochs=config.max_epochs,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            gradient_clip_val=config.gradient_clip or None,
            logger=False,
            enable_progress_bar=sys.stderr.isatty() and multiprocessing.parent_process() is None,
            enable_model_summary=False,
            callbacks=callbacks,
        )
        trainer.fit(module, datamodule=feeds, ckpt_path=last if last.exists() else None, weights_only=True)
    return book.rows


def _checkpoint(folder: Path, name: str, **options: Any) -> ModelCheckpoint:
    return ModelCheckpoint(folder, name, save_on_train_epoch_end=True, enable_version_counter=False, **options)


def _is_over(history: History, config: LoopConfig) -> bool:
    """Whether a run with this history needs no further epoch."""
    if not history:
        return False
    waited = len(history) - 1 - _best(history, config)
    return len(history) >= config.max_epochs or bool(config.patience and waited >= config.patience)


def _best(history: History, config: LoopConfig) -> int:
    """Number of the row that is best by what the configuration monitors, the first of equals."""
    figures = [row[config.monitor] for row in history]
    return figures.index(min(figures) if config.monitor == "val_loss" else max(figures))


def _write_whole(path: Path, text: str) -> None:
    beside = path.with_suffix(".part")
    beside.write_text(text)
    beside.replace(path)


class _Feeds(lightning.LightningDataModule):
    """Builds the loaders of each epoch anew, so that the epoch number reaches every sample."""

    def __init__(self, train: Feed, validation: Feed, config: LoopConfig, runtime: Runtime) -> None:
        super().__init__()
        self.train, self.validation, self.config, self.runtime = train, validation, config, runtime

    def train_dataloader(self) -> Any:
        return loader(
            self.train,
            self.config.batch_size,
            epoch=self.trainer.current_epoch,  # type: ignore[union-attr]
            draw=self.config.epoch_faces,
            seed=self.runtime.seed,
            workers=self.runtime.loader_workers,
        )

    def val_dataloader(self) -> Any:
        return loader(self.validation, 2 * self.config.batch_size)


class _HistoryBook(Callback):
    """One line of figures an epoch; it lies in the checkpoint, so that a resumed run has them all."""

    state_key = "history"

    def __init__(self, label: str) -> None:
        self.label = label
        self.rows: History = []

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        assert isinstance(module, Task)
        figures = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        row = {
            "epoch": float(trainer.current_epoch),
            "learning_rate": rate,
            "train_loss": module.train_loss(),
        }
        self.rows.append({**row, **figures})
        shown = ", ".join(f"{name} {value:.4g}" for name, value in {**row, **figures}.items() if name != "epoch")
        logger.info("%sepoch %d of %d: %s", self.label, trainer.current_epoch + 1, trainer.max_epochs, shown)


def resolve_precision(wanted: str, accelerator: str) -> Any:
    """Lightning's name of the precision; auto is bfloat16 where the device computes it natively."""
    native = computes_bfloat16(pick_device(accelerator).type)
    return "bf16-mixed" if wanted == "bfloat16" or (wanted == "auto" and native) else "32-true"


@contextmanager
def _checkpoint_folder(network: nn.Module, config: LoopConfig, runtime: Runtime, fingerprint: str) -> Iterator[Path]:
    """Folder named by everything that the result depends on; a passing one where none is wanted."""
    if runtime.checkpoints is None:
        with tempfile.TemporaryDirectory() as passing:
            yield Path(passing)
        return
    facts = {
        "network": [type(network).__name__, asdict(network.config)],  # type: ignore[call-overload]
        "config": asdict(config),
        "seed": runtime.seed,
        "threads": runtime.threads,
        "data": fingerprint,
        "code": _code_fingerprint(),
        "torch": torch.__version__,
    }
    name = hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=12).hexdigest()
    folder = runtime.checkpoints / name
    folder.mkdir(parents=True, exist_ok=True)
    yield folder


def _code_fingerprint() -> str:
    """Hash of the code that training runs, so that a checkpoint never outlives a change of it."""
    digest = hashlib.blake2b(digest_size=8)
    package = Path(__file__).parent.parent
    for room in ("training", "models", "degrade", "forge"):
        for file in sorted((package / room).glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()
