import logging

import numpy as np
import pytest
import torch

from deepfake_pipeline.degrade import apply, draw_recipe
from deepfake_pipeline.metrics.fidelity import psnr
from deepfake_pipeline.models.store import build_network, load_network, network_bytes
from deepfake_pipeline.restore import MADE_FOR, REPAIRS
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.training.config import EnhancerTraining
from deepfake_pipeline.training.enhancer import check_gain, train_enhancer
from deepfake_pipeline.training.feed import loader
from deepfake_pipeline.training.presets import ENHANCER_PRESETS, customised
from deepfake_pipeline.training.restoration import DegradedPairs, FreshlyDegraded, condition_of, evenly_degraded
from deepfake_pipeline.training.result import Runtime
from tests.conftest import packed

NAMES = ("gaussian_blur", "shadow", "salt_and_pepper", "jpeg")
SETTINGS = EnhancerTraining(patch=24, clean_share=0.1, chain_share=0.2, conditional=True, told_share=0.5)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return packed(tmp_path_factory.mktemp("faces") / "train", 200, side=48, seed=1)


def drawn(faces, settings=SETTINGS, epoch=0, **options):
    feed = FreshlyDegraded(faces, NAMES, (1, 3, 5), settings, 0, **options)
    return feed.batch(np.arange(len(faces)), epoch)


def test_samples_are_new_every_epoch_and_repeat(faces):
    first, again, later = drawn(faces), drawn(faces), drawn(faces, epoch=1)
    for one, other in (
        (first[0], again[0]),
        (first[1].clean, again[1].clean),
        (first[1].condition, again[1].condition),
    ):
        assert torch.equal(one, other)
    assert not torch.equal(first[0], later[0])


def test_workers_do_not_change_samples(faces):
    feed = FreshlyDegraded(faces, NAMES, (1, 3, 5), SETTINGS, 0)
    alone, shared = (list(loader(feed, 64, seed=0, workers=workers)) for workers in (0, 1))
    for (first, wanted), (second, others) in zip(alone, shared, strict=True):
        assert torch.equal(first, second)
        assert torch.equal(wanted.clean, others.clean)
        assert torch.equal(wanted.condition, others.condition)


def test_shares_are_those_of_the_settings(faces):
    degraded, wanted = drawn(faces, customised(SETTINGS, {"patch": 0}))
    clean = (degraded == wanted.clean).flatten(1).all(1)
    told = wanted.condition.sum(1) > 0
    assert 0.04 < clean.float().mean() < 0.2
    assert told.float().mean() == pytest.approx(0.7 * 0.5, abs=0.1)
    assert (wanted.condition[told].gt(0).sum(1) == 1).all()
    assert set((5 * wanted.condition[told].max(1).values).round().tolist()) == {1, 3, 5}
    for share in (
        {"told_share": 0.0},
        {"clean_share": 1.0, "chain_share": 0.0},
        {"clean_share": 0.0, "chain_share": 1.0},
    ):
        assert not drawn(faces, customised(SETTINGS, {**share}))[1].condition.any()


def test_what_is_told_is_what_was_done(faces):
    """Salt and pepper alone leaves pixels of 0 and 255; blur does not."""
    settings = customised(SETTINGS, {"clean_share": 0.0, "chain_share": 0.0, "told_share": 1.0, "patch": 0})
    degraded, wanted = drawn(faces, settings)
    changed = (degraded != wanted.clean).any(3)
    extreme = ((degraded == 0) | (degraded == 255)).all(3)
    noisy = wanted.condition[:, NAMES.index("salt_and_pepper")] > 0
    assert (extreme[noisy] >= changed[noisy]).all()
    assert (extreme[~noisy] & changed[~noisy]).float().mean() < 0.05
    turned = drawn(faces, settings, told=NAMES[::-1])[1]
    assert torch.equal(turned.condition, wanted.condition.flip(1))


def test_patches_begin_where_blocks_of_jpeg_do(faces):
    settings = customised(SETTINGS, {"clean_share": 1.0, "chain_share": 0.0})
    _, wanted = drawn(faces, settings)
    places = [(top, left) for top in range(0, 25, 8) for left in range(0, 25, 8)]
    for row, patch in enumerate(wanted.clean.numpy()[:20]):
        assert any(np.array_equal(faces.images[row][y : y + 24, x : x + 24], patch) for y, x in places)


def test_validation_pairs_are_told_of_their_recipes(faces):
    recipes = evenly_degraded(faces, 0, limit=20, degradations=NAMES)
    pairs = DegradedPairs(faces, recipes, NAMES)
    degraded, wanted = pairs.batch(np.arange(20), 0)
    for row, recipe in enumerate(recipes):
        assert np.array_equal(degraded[row], apply(recipe, faces.images[row]))
        assert wanted.condition[row, NAMES.index(recipe.degradation)] == pytest.approx(recipe.severity / 5)
    assert not condition_of(recipes[0], ("webp",)).any()
    assert not condition_of(None, NAMES).any()


class TestFollowing:
    """A network that follows gets what the repair made for a degradation leaves."""

    repairs = tuple(MADE_FOR[name] for name in NAMES)
    settings = customised(SETTINGS, {"clean_share": 0.0, "chain_share": 0.0, "told_share": 0.5, "patch": 0})

    @pytest.mark.parametrize("patch", [0, 24])
    def test_what_is_told_is_repaired_first(self, faces, patch):
        settings = customised(self.settings, {"patch": patch})
        degraded, wanted = drawn(faces, settings)
        seen, same = drawn(faces, settings, repairs=self.repairs)
        assert torch.equal(wanted.clean, same.clean) and torch.equal(wanted.condition, same.condition)
        whole = drawn(faces, self.settings)[0]
        differing = set()
        for row, told in enumerate(wanted.condition):
            kind = int(told.argmax())
            repair = REPAIRS[self.repairs[kind]] if told.any() else REPAIRS["identity"]
            if patch and repair.whole:  # a shadow on a patch is judged by the whole face
                around = np.lib.stride_tricks.sliding_window_view(repair.apply(whole[row].numpy()), (24, 24, 3))
                assert (around[:, :, 0] == seen[row].numpy()).all((2, 3, 4)).any()
            else:
                np.testing.assert_array_equal(seen[row], repair.apply(degraded[row].numpy()))
            if not torch.equal(seen[row], degraded[row]):
                differing.add(kind)
        assert differing == set(range(len(NAMES))) or patch  # in 24 px neither blur nor blocks can be told
        assert differing >= {NAMES.index("shadow"), NAMES.index("salt_and_pepper")}

    def test_validation_judges_what_is_repaired_first(self, faces):
        recipes = evenly_degraded(faces, 0, limit=20, degradations=NAMES)
        pairs = DegradedPairs(faces, recipes, NAMES, self.repairs)
        seen, _ = pairs.batch(np.arange(20), 0)
        for row, recipe in enumerate(recipes):
            degraded = apply(recipe, faces.images[row])
            assert np.array_equal(pairs.degraded[row], degraded)
            assert np.array_equal(seen[row], REPAIRS[MADE_FOR[recipe.degradation]].apply(degraded))

    def test_untrained_it_gains_what_the_repair_gains(self, faces):
        recipes = [draw_recipe(name.decode(), "salt_and_pepper", 3, 0) for name in faces.face_ids[:4]]
        pairs = DegradedPairs(faces, recipes, repairs=("adaptive_median",))
        gain = check_gain(build_network("recurrent_unet"), pairs, recipes)["salt_and_pepper"]
        repaired = [REPAIRS["adaptive_median"].apply(image) for image in pairs.degraded]
        trios = zip(pairs.clean, repaired, pairs.degraded, strict=True)
        assert gain == pytest.approx(np.mean([psnr(c, after) - psnr(c, before) for c, after, before in trios]))
        assert gain > 3

    def test_it_needs_to_be_told(self):
        with pytest.raises(UserError, match="follows is true: it needs conditional"):
            EnhancerTraining(follows=True)


class TestCheck:
    @pytest.fixture
    def pairs(self, faces):
        recipes = [draw_recipe(name.decode(), "salt_and_pepper", 3, 0) for name in faces.face_ids[:4]]
        return DegradedPairs(faces, recipes), recipes

    def test_the_identity_is_warned_of(self, pairs, caplog):
        assert check_gain(build_network("recurrent_unet"), *pairs) == {"salt_and_pepper": 0.0}
        assert "changes nothing" in caplog.text

    def test_a_loss_is_warned_of_by_name(self, pairs, caplog):
        network = build_network("recurrent_unet")
        torch.nn.init.constant_(network.last.bias, 0.3)
        assert check_gain(network, *pairs)["salt_and_pepper"] < 0
        assert "does not gain on salt_and_pepper" in caplog.text

    def test_no_numbers_are_an_error(self, pairs):
        network = build_network("recurrent_unet")
        torch.nn.init.constant_(network.last.bias, float("nan"))
        with pytest.raises(UserError, match="learning rate"):
            check_gain(network, *pairs)


def test_a_conditional_training_gains_and_says_so(tmp_path, caplog):
    faces = packed(tmp_path / "t", 64, seed=1), packed(tmp_path / "v", 8, seed=2)
    sample = ENHANCER_PRESETS["sample"]
    changes = {"max_epochs": 12, "epoch_faces": 0, "patch": 0, "precision": "float32", "ema_decay": 0.9}
    changes["follows"] = False  # the repair alone would gain as much
    recipes = [draw_recipe(name.decode(), "salt_and_pepper", 4, 0) for name in faces[1].face_ids]
    with caplog.at_level(logging.INFO):
        fitted = train_enhancer(
            *faces,
            recipes,
            network="recurrent_unet",
            network_config=dict(sample.tuned["recurrent_unet"].network),
            settings=customised(sample.training, changes),
            runtime=Runtime(threads=1, accelerator="cpu"),
            degradations=("salt_and_pepper", "jpeg"),
            severities=(3, 4, 5),
        )
    assert fitted.network.conditions == ("salt_and_pepper", "jpeg")
    assert fitted.history[-1]["val_psnr_gain"] > 3
    assert fitted.history[-1]["val_psnr_gain_least"] == pytest.approx(fitted.history[-1]["val_psnr_gain"])
    assert "the enhancer gains, in dB: salt_and_pepper +" in caplog.text


@pytest.mark.parametrize("changes", [{"chain_share": 0.99}, {"told_share": 1.1}, {"ssim_weight": -1.0}])
def test_settings_out_of_range_are_refused(changes):
    with pytest.raises(UserError, match=next(iter(changes))):
        customised(SETTINGS, changes)


def test_a_network_that_follows_knows_after_what(tmp_path):
    faces = packed(tmp_path / "t", 16, seed=1), packed(tmp_path / "v", 8, seed=2)
    settings = customised(ENHANCER_PRESETS["sample"].training, {"max_epochs": 1, "epoch_faces": 16, "patch": 24})
    recipes = evenly_degraded(faces[1], 0, 8, NAMES)
    fitted = train_enhancer(
        *faces,
        recipes,
        network="recurrent_unet",
        network_config={"widths": (4, 8), "steps": 1},
        settings=settings,
        runtime=Runtime(threads=1, accelerator="cpu"),
        degradations=(*NAMES, "white_noise"),
    )
    config = load_network(network_bytes(fitted.network)).config
    assert config.conditions == (*NAMES, "white_noise")
    assert config.repairs == ("wiener", "shadow_edge", "adaptive_median", "jpeg_deblocking", "identity")
