package attack

import (
	"sort"
	"time"
)

const (
	completionSlots = 1 << 16 // of the time that a ladder may take: 0.2 ms of 12 s
	windowPositions = 128     // of the moving window
)

// completions counts the successes of a ladder over time and estimates its
// throughput while all clients are present.
//
// A count between two fixed moments, divided by their distance, is wrong by up to
// one answer of every client where they wait alike and are answered together. A
// sum of the parts of requests that lie between two moments is wrong where a
// server takes requests in another order than they came: it takes a request that
// waits for one that is being served. (Ladders were measured so before: in
// simulations of 32 clients and a few rounds it read 3 % high on two workers that
// accept in batches, and 30 % high on a queue in random order.)
//
// A window of a whole number of rounds holds as many answers of every client,
// wherever it begins, if all take equally long; and where they do not, as in a
// queue, answers come evenly, and any window does. The estimate is the mean rate
// over all positions of such a window, from the moment when the last client has
// come to the last answer of the ladder. TestLadderRate holds it against servers
// of every kind.
type completions struct {
	firstArrival time.Duration // the first client's arrival, after the epoch
	allArrived   time.Duration // the last client's arrival
	durationEnd  time.Duration // end of the duration, after which no client comes or leaves for a round
	sendingEnd   time.Duration // end of sending
	slots        []int32       // successes, by the time of their answers

	// The requests that were under way at the end of the duration, one of each
	// client: how many succeeded, how long these took together, and when the last
	// of all was answered.
	underWay     int
	underWayTime time.Duration
	lastAnswer   time.Duration
}

// newCompletions counts for clients that arrive from began to complete.
func newCompletions(began, complete, ends, until time.Duration) *completions {
	return &completions{
		firstArrival: began, allArrived: complete, durationEnd: ends, sendingEnd: until, lastAnswer: ends,
		slots: make([]int32, completionSlots),
	}
}

// add notes a request.
func (c *completions) add(sent, end time.Duration, succeeded bool) {
	if sent < c.durationEnd && end >= c.durationEnd {
		c.lastAnswer = max(c.lastAnswer, min(end, c.sendingEnd))
	}
	if !succeeded {
		return
	}
	if sent < c.durationEnd && end >= c.durationEnd {
		c.underWay++
		c.underWayTime += end - sent
	}
	if i := int((end - c.firstArrival) / c.slot()); i >= 0 && i < len(c.slots) {
		c.slots[i]++
	}
}

func (c *completions) slot() time.Duration { return (c.sendingEnd-c.firstArrival)/completionSlots + 1 }

// rps is the successes per second while all clients were present.
func (c *completions) rps() float64 {
	span := c.lastAnswer - c.allArrived
	window := min(c.wholeRounds(), span)
	if window <= 0 {
		return 0
	}
	curve := c.curve()
	sum, free := 0.0, span-window
	for i := range windowPositions + 1 {
		from := c.allArrived + free*time.Duration(i)/windowPositions
		sum += curve.countAt(from+window) - curve.countAt(from)
	}
	return sum / (windowPositions + 1) / window.Seconds()
}

// wholeRounds is the most whole rounds of the mean client that fit between the
// last arrival and the end of the duration: at least one.
func (c *completions) wholeRounds() time.Duration {
	present := c.durationEnd - c.allArrived
	if c.underWay == 0 {
		return present
	}
	round := c.underWayTime / time.Duration(c.underWay)
	return max(present/round, 1) * round
}

// curve is a count that grows with time: straight between its points.
type curve struct {
	times  []time.Duration
	counts []float64
}

// curve is the number of successes so far. It rises from the first client's
// arrival and between answers, as a server works between them, too.
func (c *completions) curve() curve {
	out := curve{times: []time.Duration{c.firstArrival}, counts: []float64{0}}
	sum := 0.0
	for i, n := range c.slots {
		if n > 0 {
			sum += float64(n)
			out.times = append(out.times, c.firstArrival+time.Duration(i+1)*c.slot())
			out.counts = append(out.counts, sum)
		}
	}
	return out
}

func (c curve) countAt(t time.Duration) float64 {
	i := sort.Search(len(c.times), func(i int) bool { return c.times[i] > t })
	if i == 0 {
		return 0
	}
	if i == len(c.times) {
		return c.counts[i-1]
	}
	part := float64(t-c.times[i-1]) / float64(c.times[i]-c.times[i-1])
	return c.counts[i-1] + part*(c.counts[i]-c.counts[i-1])
}
