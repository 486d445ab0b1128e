"""A load test in simulated time: one server, a queue in front of it, and two ways of asking.

An open test asks at a given rate, whatever happens, as independent people do. A closed test has
some clients, and each one waits for its answer before it asks again. Times are whole microseconds.
"""

import random
from dataclasses import dataclass

import simpy

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Load:
    """What a load test measured. `times` are those from question to answer, in µs, sorted."""

    times: tuple[int, ...]
    seconds: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.times) / self.seconds

    def within(self, part: float) -> float:
        """The time in ms within which that part of the answers came: 0.5 is the median."""
        return self.times[min(int(part * len(self.times)), len(self.times) - 1)] / 1_000


def asked_at_a_rate(rate: float, service: int, *, seconds: int = 60, stall=(), seed=1) -> Load:
    """An open test: `rate` questions a second at random times; one takes `service` µs on average.

    `stall` is (second, seconds): when the server does nothing, and for how long.
    """

    def people(env, ask):
        draw = random.Random(f"{seed}/open")
        while env.now < seconds * SECOND:
            yield env.timeout(1 + int(draw.expovariate(rate / SECOND)))
            env.process(ask())

    return _test(people, service, seconds, stall, seed)


def asked_by_clients(clients: int, service: int, *, seconds: int = 60, stall=(), seed=1) -> Load:
    """A closed test: each client asks, waits for the answer, and asks again at once."""

    def client(env, ask):
        while env.now < seconds * SECOND:
            yield from ask()

    def all_of_them(env, ask):
        for _ in range(clients):
            env.process(client(env, ask))
        yield env.timeout(0)

    return _test(all_of_them, service, seconds, stall, seed)


def _test(asking, service, seconds, stall, seed):
    env, times, draw = simpy.Environment(), [], random.Random(f"{seed}/service")
    server = simpy.Resource(env)

    def ask():
        begin = env.now
        with server.request() as turn:
            yield turn
            yield env.timeout(1 + int(draw.expovariate(1 / service)))
        times.append(env.now - begin)

    def stand_still(at, length):
        yield env.timeout(int(at * SECOND))
        with server.request() as turn:
            yield turn
            yield env.timeout(int(length * SECOND))

    if stall:
        env.process(stand_still(*stall))
    env.process(asking(env, ask))
    env.run()
    return Load(tuple(sorted(times)), seconds)
