"""Rounds and medians: the libraries run alternately, so that other programs affect all of them equally."""

import math
from dataclasses import dataclass, field
from statistics import median

from .peers import OURS

MIN_SECONDS = 0.02  # seconds that one measurement takes at least
HOPELESS = 1.6  # a variant that takes this many times the best one's time in three trials is not timed further
TOLERANCE = 1e-3


@dataclass
class Result:
    """Seconds per operation of a case, round by round, of each library's best variant, and the ratios to ours."""

    case: object
    seconds: dict = field(default_factory=dict)  # {library: [seconds]}
    variant: dict = field(default_factory=dict)  # {library: name}
    disagrees: list = field(default_factory=list)  # libraries whose results differ from minidl's

    def time(self, library=OURS):
        """Median over the rounds."""
        return median(self.seconds[library])

    def ratio(self, library):
        """Median over the rounds of the library's time over minidl's; both times of a ratio are from the same round."""
        return median(theirs / ours for theirs, ours in zip(self.seconds[library], self.seconds[OURS]))

    def fastest(self, library):
        """The library's fastest round over minidl's: less noisy than the medians on a busy machine."""
        return min(self.seconds[library]) / min(self.seconds[OURS])


def measure(case, peers, rounds):
    """Build the case in every process, choose the number of calls per measurement, then measure round by round."""
    request = {"op": case.op, "part": case.part, "params": case.params}
    built = {peer: peer.ask("build", **request)["variants"] for peer in peers}
    built = {peer: variants for peer, variants in built.items() if variants}  # some libraries lack some cases
    result = Result(case)
    ours = built[peers[0]]
    for peer, variants in built.items():
        if not case.chance and not all(
            _agree(prints, reference) for prints in variants.values() for reference in ours.values()
        ):
            result.disagrees.append(peer.name)
    turns = _equal([turn for peer in built for turn in _calibrate(peer, built[peer])])
    times = {(peer.name, variant): [] for peer, variant, _ in turns}
    for k in range(rounds):
        for peer, variant, calls in turns if k % 2 == 0 else turns[::-1]:
            seconds = peer.ask("time", variant=variant, calls=calls)[case.clock]
            times[peer.name, variant].append(seconds / calls / case.count)
    for name, variant in times:
        if name not in result.seconds or median(times[name, variant]) < result.time(name):
            result.seconds[name], result.variant[name] = times[name, variant], variant
    return result


def _calibrate(peer, variants):
    """(peer, variant, seconds per call) of the variants that may be the best."""
    best = {}
    for variant in variants:
        seconds = peer.ask("time", variant=variant, calls=1)["wall"]
        if seconds < MIN_SECONDS:  # enough calls that the clock's cost and resolution are negligible
            calls = max(1, int(MIN_SECONDS / 3 / max(seconds, 1e-6)))
            seconds = min(peer.ask("time", variant=variant, calls=calls)["wall"] / calls for _ in range(2))
        elif seconds < 1:
            seconds = min(seconds, *(peer.ask("time", variant=variant, calls=1)["wall"] for _ in range(2)))
        best[variant] = seconds
    kept = {v: s for v, s in best.items() if s < HOPELESS * min(best.values())}
    peer.ask("keep", variants=[*kept])
    return [(peer, variant, seconds) for variant, seconds in kept.items()]


def _equal(turns):
    """(peer, variant, calls) such that all measurements take equally long, since longer ones are interrupted more often."""
    span = max(MIN_SECONDS, *(seconds for *_, seconds in turns))
    return [(peer, variant, max(1, round(span / seconds))) for peer, variant, seconds in turns]


def _agree(one, other):
    """Whether two fingerprints agree up to rounding."""
    if len(one) != len(other):
        return False
    scale = [max(abs(rms), 1e-12) for _, rms in other]
    return all(abs(a - b) <= TOLERANCE * s for s, pair, twin in zip(scale, one, other) for a, b in zip(pair, twin))


def geometric_mean(ratios):
    """exp of the mean logarithm."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))
