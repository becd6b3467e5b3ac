"""The read channel in the timing model: when the beats of loads and of the stream itself arrive.

All of them share one channel, and beats arrive in the order of their requests. Bulk loads (INP, WGT) keep at most
`read_ahead_beats` in flight. Fetch runs ahead of the units: it keeps `FETCHING` bursts in flight while the queues of
the units take all that arrives, then `BUFFERING` until its own store is full, and so takes a share of the channel that
is its share of the beats in flight. Loads for compute are urgent: they wait for what is in flight, no longer.
"""

from bisect import bisect_left
from collections import deque

FETCH_BYTES = 128               # of a burst of instructions
FETCHING, BUFFERING = 4, 2      # such bursts in flight
URGENT_SHARE = 0.25             # of the beats of a load for compute, what fetch gets meanwhile
LONG_AGO = -1e9


class ReadBus:
    """Times are cycles since the start of a run; calls come in program order.

    `latency` is from a request to its first beat, `turn` from a burst's last beat to the next request that waited for
    it, `first` the time of the stream's first beat. `free`: when the last bulk load ends. Where loads have a port of
    their own (`config.axi_ports`), nobody waits for anybody.
    """

    def __init__(self, config, latency, turn, first):
        self.latency, self.turn, self.outstanding = latency, turn, config.read_outstanding
        self.ahead, self.shared = config.read_ahead_beats, config.axi_ports == 1
        self.fetch_burst = max(1, FETCH_BYTES // config.bus_bytes)
        self.free = 0
        self._times, self._counts = [first], [0]        # beats of the stream that have arrived, linear in between
        self._owed = 0                                  # beats of urgent loads that bulk loads must still give way to
        self._last = {bulk: deque([LONG_AGO] * self.outstanding, self.outstanding) for bulk in (False, True)}

    def stream(self, beats):
        """When so many beats of the stream have arrived."""
        times, counts = self._times, self._counts
        if beats > counts[-1]:
            return times[-1] + beats - counts[-1]
        at = bisect_left(counts, beats)
        if not at:
            return times[0]
        return times[at] - (times[at] - times[at - 1]) * (counts[at] - beats) / (counts[at] - counts[at - 1])

    def bulk(self, request, beats, burst, taken, stored):
        """When the last beat of a load of INP or WGT arrives, in bursts of `burst` beats, requested at `request`.

        taken, stored: the beats of the stream that the units' queues can have taken by then, and fetch read.
        """
        begin = max(self.free, request + self.latency)
        beats = self._paced(begin, beats, burst, bulk=True) + self._owed
        self._owed = 0
        if not self.shared:
            self.free = begin + beats
            return self.free
        if begin > self.free:
            begin = self._idle(begin, taken, stored)
        fetched = self._counts[-1]
        for limit, bursts in ((taken, FETCHING), (stored, BUFFERING)):
            share = bursts * self.fetch_burst / min(self.ahead, max(1, self.outstanding - bursts) * burst)
            part = min(beats, (limit - fetched) / share)
            if part > 0:
                beats, fetched, begin = beats - part, fetched + part * share, begin + part * (1 + share)
                self._add(begin, fetched)
        self.free = begin + beats
        self._add(self.free, fetched)
        return self.free

    def urgent(self, request, beats, burst, taken, stored, before, bulk_left):
        """When the last beat of a load for compute arrives. `before`: when that of the one before did; else as `bulk`.

        bulk_left: bulk loads follow in the stream. They may be earlier in time: this load only slows them down.
        """
        begin = max(before, request + self.latency)
        beats = self._paced(begin, beats, burst, bulk=False)
        if not self.shared:
            return begin + beats
        backlog = max(0, taken - self._counts[-1])
        if self.free > request:
            flight = min(self.free - request, self.ahead) + min(backlog, FETCHING * self.fetch_burst)
            self.free += beats
            self._times[-1] += beats
            return max(begin, request + flight) + beats
        if bulk_left:
            self._owed += beats
            return begin + beats + (0 if self.free else self._in_flight(backlog))
        if begin > self._times[-1]:
            begin = self._idle(begin, taken, stored)
        fetched = self._counts[-1]
        more = min(max(0, taken - fetched), beats * URGENT_SHARE)
        end = max(begin, self._times[-1]) + beats + more
        self._add(end, fetched + more)
        self.free = max(self.free, end)
        return end

    def _paced(self, begin, beats, burst, bulk):
        """The cycles of a load of its own: a request waits until an earlier burst has ended, if all are in flight."""
        last, trip = self._last[bulk], self.turn + self.latency + burst
        bursts, end = -int(-beats // burst), begin
        one_by_one = bursts if burst * self.outstanding < trip else min(bursts, self.outstanding)
        for _ in range(one_by_one):
            end = max(end + burst, last[0] + trip)
            last.append(end)
        if bursts > one_by_one:
            end += (bursts - one_by_one) * burst
            last.extend(end - n * burst for n in reversed(range(self.outstanding)))
        return max(beats, end - begin - (bursts * burst - beats))

    def _in_flight(self, backlog):
        """Beats of fetch that a first load finds in flight and waits for beyond its latency."""
        return min(backlog, max(0, FETCHING * self.fetch_burst - self.latency))

    def _idle(self, until, taken, stored):
        """Fetch has the channel until then; when it is free for a load, after what fetch has in flight."""
        time, fetched = self._times[-1], self._counts[-1]
        until += self._in_flight(max(0, taken - fetched - max(0, until - time)))
        more = max(0, min(until - time, stored - fetched))
        self._add(time + more, fetched + more)
        self._add(until, fetched + more)
        return until

    def _add(self, time, fetched):
        if time > self._times[-1]:
            self._times.append(time)
            self._counts.append(fetched)
