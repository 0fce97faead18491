"""A run may be killed at any moment: nothing half-written stays, and going on gives the same bytes."""

from tests.pipelines.killing import finish, kill_at_random


def test_killed_runs_end_with_the_bytes_of_an_undisturbed_one(finished, make_project):
    project = kill_at_random(make_project, kills=3, seed=1)
    finish(project)
    undisturbed, resumed = finished.bytes_of_outputs(), project.bytes_of_outputs()
    assert undisturbed.keys() == resumed.keys()
    assert [name for name in undisturbed if undisturbed[name] != resumed[name]] == []
