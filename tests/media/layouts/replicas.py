"""Random replicas of published datasets, with the truth that their generator knows."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.media.pictures import encoded, smooth
from tests.media.videos import tiny_video


@dataclass
class Truth:
    """What is true of a file: label, method, what it belongs to, the dataset's split, labels of its faces."""

    label: int | None
    method: str | None
    belongs: tuple[str, ...]
    split: str | None = None
    faces: dict[tuple[float, ...], int] | None = None


@dataclass
class Replica:
    """A dataset in a folder.

    Attributes:
        files: truth of every file that can be used.
        refused: path and reason of every other.
    """

    root: Path
    rng: random.Random
    files: dict[str, Truth] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    written: int = 0

    def add(self, path: str, truth: Truth) -> None:
        """Write a medium of its own bytes."""
        self.written += 1
        is_video = path.endswith((".mp4", ".avi"))
        self.write(path, tiny_video(self.written) if is_video else encoded(smooth(self.written), "JPEG"))
        self.files[path] = truth

    def write(self, path: str, data: bytes | str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data.encode() if isinstance(data, str) else data)

    def some(self, share: float = 0.15) -> list[str]:
        """Some of the usable files."""
        return self.rng.sample(sorted(self.files), int(share * len(self.files)))

    def drop(self, paths: Sequence[str], named: bool) -> None:
        """Remove files; where something names them, they are missing."""
        for path in paths:
            (self.root / path).unlink()
            del self.files[path]
            if named:
                self.refused[path] = "missing"

    def damage(self, paths: Sequence[str]) -> None:
        """Empty some files, cut others."""
        for path in paths:
            file = self.root / path
            reason = self.rng.choice(("empty", "unreadable"))
            file.write_bytes(b"" if reason == "empty" else file.read_bytes()[:60])
            del self.files[path]
            self.refused[path] = reason

    def stray(self, path: str) -> None:
        """A file that the layout has no place for."""
        self.write(path, tiny_video(10_000 + len(self.refused)))
        self.refused[path] = "unlabelled"


def faceforensics(root: Path, rng: random.Random) -> Replica:
    replica = Replica(root, rng)
    names = [f"{number:03d}" for number in rng.sample(range(1000), 24)]
    pairs = list(zip(names[::2], names[1::2], strict=True))
    splits = dict(zip(pairs, ["train"] * 8 + ["validation"] * 2 + ["test"] * 2, strict=True))
    base = rng.choice(("", "FF/", "a/b/"))
    for file, split in (("train", "train"), ("val", "validation"), ("test", "test")):
        where = rng.choice(("", "splits/", f"{base}dataset/splits/"))
        replica.write(f"{where}{file}.json", json.dumps([list(p) for p in pairs if splits[p] == split]))
    methods = ["Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter"]
    for a, b in pairs:
        split = splits[a, b]
        for one in (a, b):
            path = f"{base}original_sequences/youtube/c23/videos/{one}.mp4"
            replica.add(path, Truth(0, None, (f"y{one}",), split))
        for one, other in ((a, b), (b, a)):
            method, quality = rng.choice(methods), rng.choice(("c0", "raw", "c23", "c40"))
            path = f"{base}manipulated_sequences/{method}/{quality}/videos/{one}_{other}.mp4"
            replica.add(path, Truth(1, method, (f"y{one}", f"y{other}"), split))
            if rng.random() < 0.3:
                replica.write(f"{base}manipulated_sequences/{method}/masks/videos/{one}_{other}.mp4", b"mask")
    for actor in range(1, 5):
        scene = rng.choice(("outside_talking_still_laughing", "kitchen_pan"))
        path = f"{base}original_sequences/actors/c23/videos/{actor:02d}__{scene}.mp4"
        replica.add(path, Truth(0, None, (f"a{actor:02d}",)))
        path = (
            f"{base}manipulated_sequences/DeepFakeDetection/c23/videos/{actor:02d}_{actor + 5:02d}__{scene}__A1B2.mp4"
        )
        replica.add(path, Truth(1, "DeepFakeDetection", (f"a{actor:02d}", f"a{actor + 5:02d}")))
    replica.drop(replica.some(), named=False)
    replica.damage(replica.some())
    for path in replica.some(0.05):  # a name without identity
        renamed = path.rsplit("/", 1)[0] + f"/final_{rng.randrange(99)}.mp4"
        (root / path).rename(root / renamed)
        del replica.files[path]
        replica.refused[renamed] = "unlabelled"
    for mask in sorted(root.rglob("masks/videos/*.mp4")):
        if set(mask.parents[2].glob(f"*/videos/{mask.name}")) == {mask}:
            replica.refused[mask.relative_to(root).as_posix()] = "unlabelled"  # its video is gone
    replica.stray("elsewhere/clip.mp4")
    return replica


def dfdc(root: Path, rng: random.Random) -> Replica:
    replica = Replica(root, rng)
    names = iter("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=10)) + ".mp4" for _ in range(1000))
    base = rng.choice(("", "dfdc/train/"))
    for part in range(rng.choice((1, 3))):
        folder = f"{base}dfdc_train_part_{part}"
        items: dict[str, Any] = {}
        for _ in range(8):
            real = next(names)
            items[real] = {"label": "REAL", "split": "train"}
            for fake in (next(names) for _ in range(rng.randrange(1, 4))):
                items[fake] = {"label": "FAKE", "split": "train", "original": real}
        for name, item in items.items():
            truth = Truth(int(item["label"] == "FAKE"), None, (item.get("original", name),), "train")
            replica.add(f"{folder}/{name}", truth)
        replica.write(f"{folder}/metadata.json", json.dumps(items))
        replica.stray(f"{folder}/{next(names)}")
    replica.drop(replica.some(), named=True)
    replica.damage(replica.some())
    return replica


def celeb_df(root: Path, rng: random.Random) -> Replica:
    replica = Replica(root, rng)
    base = rng.choice(("", "Celeb-DF-v2/", "x/Celeb-DF/"))
    pairs = [(2 * number, 2 * number + 1) for number in range(8)]  # rings would swallow so small a set
    for a, b in pairs:
        for one in (a, b):
            for take in range(2):
                replica.add(f"{base}Celeb-real/id{one}_{take:04d}.mp4", Truth(0, None, (f"id{one}",), "train"))
        path = f"{base}Celeb-synthesis/id{a}_id{b}_{rng.randrange(2):04d}.mp4"
        replica.add(path, Truth(1, "Celeb-synthesis", (f"id{a}", f"id{b}"), "train"))
    for number in rng.sample(range(300), 6):
        path = f"{base}YouTube-real/{number:05d}.mp4"
        replica.add(path, Truth(0, None, (f"you{number}",), "train"))
    lines = []
    for path in replica.some(0.3):
        replica.files[path].split = "test"
        lines.append(f"{1 - replica.files[path].label} {path.removeprefix(base)}")
    dropped = replica.some()
    for path in dropped:
        listed = path.removeprefix(base)
        is_listed = replica.files[path].split == "test"
        replica.drop([path], named=False)
        if is_listed:
            replica.refused[listed] = "missing"
    replica.damage(replica.some())
    (wrong,) = rng.sample(sorted(path for path, truth in replica.files.items() if truth.split == "train"), 1)
    lines.append(f"{replica.files.pop(wrong).label} {wrong.removeprefix(base)}")
    replica.refused[wrong] = "label_conflict"
    replica.write(f"{base}List_of_testing_videos.txt", "\n".join(lines) + rng.choice(("", "\n", "\r\n\r\n")))
    replica.stray(f"{base}clip.mp4")
    return replica


def openforensics(root: Path, rng: random.Random) -> Replica:
    """Documents of COCO's form with several faces an image, as published: nested folders, names that mislead."""
    replica = Replica(root, rng)
    splits = {"Train": "train", "Val": "validation", "Test-Dev": "test", "Test-Challenge": "test"}
    for folder, split in splits.items():
        nested = f"{folder}/{folder}" if rng.random() < 0.5 else folder
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number in range(rng.randrange(4, 9)):
            name = f"{rng.getrandbits(40):010x}.jpg"
            faces = {}
            for _ in range(rng.randrange(1, 5)):
                box = tuple(float(rng.randrange(1, 20)) for _ in range(4))
                faces[box] = rng.randrange(2)
            images.append({"id": number, "file_name": f"Images/{folder}/{name}", "width": 40, "height": 48})
            for box, label in faces.items():
                x, y, w, h = box
                outline = [x, y, x + w, y, x + w, y + h, x, y + h]
                annotations.append(
                    {"id": len(annotations), "image_id": number, "category_id": label, "bbox": list(box)}
                    | {"segmentation": [outline], "iscrowd": 0, "area": w * h}
                )
            labels = set(faces.values())
            path = f"{nested}/{name}"
            replica.add(path, Truth(labels.pop() if len(labels) == 1 else None, None, (path,), split, faces))
        rng.shuffle(annotations)
        categories = [{"id": 0, "name": "Real"}, {"id": 1, "name": "Fake"}]
        document = {"categories": categories, "images": images, "annotations": annotations}
        replica.write(f"{folder}_poly.json", json.dumps(document))
    for path in replica.some():
        replica.drop([path], named=False)
        folder, name = path.split("/")[0], path.rsplit("/", 1)[1]
        replica.refused[f"Images/{folder}/{name}"] = "missing"
    replica.damage(replica.some())
    replica.stray("Train/x.mp4")
    return replica


def openforensics_crops(root: Path, rng: random.Random) -> Replica:
    replica = Replica(root, rng)
    for folder, split in (("Train", "train"), ("Validation", "validation"), ("Test", "test")):
        for label, name in enumerate(("Real", "Fake")):
            for number in range(3):
                path = f"Dataset/{folder}/{name}/{name.lower()}_{number}.jpg"
                replica.add(path, Truth(label, None, (path,), split))
                data = encoded(smooth(replica.written, 256, 256), "JPEG")
                replica.write(path, data)
    replica.drop(["Dataset/Train/Real/real_1.jpg"], named=False)
    return replica


REPLICAS: dict[str, Callable[[Path, random.Random], Replica]] = {
    "faceforensics": faceforensics,
    "dfdc": dfdc,
    "celeb_df": celeb_df,
    "openforensics": openforensics,
    "openforensics_crops": openforensics_crops,
}
