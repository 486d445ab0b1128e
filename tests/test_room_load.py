"""A hundred learners at once: no error, and everything is counted. `room_load` has the figures."""

import asyncio

import pytest
import room_load

from x3dhlab.classroom import places

LEARNERS, UPDATES = 100, 15


@pytest.mark.full
def test_a_hundred_learners_at_once_are_all_heard(tmp_path):
    with room_load.served(tmp_path / "room.db") as where:
        load = asyncio.run(room_load.run(*where, learners=LEARNERS, updates=UPDATES))
    assert load.errors == []
    assert len(load.answered) == LEARNERS * UPDATES
    last = list(places.of_course())[UPDATES - 1]
    assert [learner["place"] for learner in load.state["learners"]] == [last] * LEARNERS
