package attack

import (
	"sort"
	"time"

	"runtimelab/lab"
)

const (
	completionSlots = 1 << 16 // slots that a ladder's time is divided into: 0.2 ms each of 12 s
	windowPositions = 128     // steps that the moving window takes
)

// completions estimates the throughput of a ladder while all its clients are present.
//
// Counting answers between two fixed moments is biased by up to one answer per client if clients
// wait equally long and are answered together. Adding up the parts of requests that lie between two
// moments is biased if a server does not serve in order of arrival: a request that waits then
// counts as if it were served. In the simulations of TestLadderRate that is 6 % too high on two
// workers that accept in batches and serve few rounds, and 29 % on a queue in random order.
//
// A window of a whole number of rounds holds equally many answers of each client, wherever it
// starts, if all requests take equally long. If they do not, as in a queue, answers come evenly and
// a window of any length is right. The estimate is the mean rate over all positions of such a
// window, from the last client's arrival to the last answer of the ladder. TestLadderRate checks it
// on simulated servers of every kind.
type completions struct {
	firstArrival time.Duration // first client's arrival, after the epoch
	allArrived   time.Duration // last client's arrival
	durationEnd  time.Duration // end of the attack's duration; clients stay for one more answer
	sendingEnd   time.Duration // when the last client leaves at the latest
	slots        []int32       // successes, by the time of their answers

	// Each client has one request under way at the end of the duration. These are the number of
	// those that succeed, the time that they take in total, and the last answer to any of them.
	underWay     int
	underWayTime time.Duration
	lastAnswer   time.Duration
}

// newCompletions returns an empty count for clients that arrive from firstArrival to allArrived.
func newCompletions(firstArrival, allArrived, durationEnd, sendingEnd time.Duration) *completions {
	return &completions{
		firstArrival: firstArrival,
		allArrived:   allArrived,
		durationEnd:  durationEnd,
		sendingEnd:   sendingEnd,
		lastAnswer:   durationEnd,
		slots:        make([]int32, completionSlots),
	}
}

// newLadderCompletions returns an empty count for a ladder that begins at start.
func newLadderCompletions(a lab.Attack, start time.Duration) *completions {
	lastArrival := arrivalTime(a.Connections-1, a.Connections, a.Duration/arrivalDivisor)
	return newCompletions(start, start+lastArrival, start+a.Duration, start+maxSendTime(a))
}

// add counts a request that was sent and ended at these times after the epoch.
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
	if i := int((end - c.firstArrival) / c.slotLength()); i >= 0 && i < len(c.slots) {
		c.slots[i]++
	}
}

// merge adds the requests that another count of the same ladder has.
func (c *completions) merge(from *completions) {
	for i, n := range from.slots {
		c.slots[i] += n
	}
	c.underWay += from.underWay
	c.underWayTime += from.underWayTime
	c.lastAnswer = max(c.lastAnswer, from.lastAnswer)
}

// slotLength returns the time that one slot covers.
func (c *completions) slotLength() time.Duration {
	return (c.sendingEnd-c.firstArrival)/completionSlots + 1
}

// rps returns the successes per second while all clients were present.
func (c *completions) rps() float64 {
	span := c.lastAnswer - c.allArrived
	window := min(c.wholeRounds(), span)
	if window <= 0 {
		return 0
	}
	curve := c.curve()
	sum, slack := 0.0, span-window
	for i := range windowPositions + 1 {
		from := c.allArrived + slack*time.Duration(i)/windowPositions
		sum += curve.countAt(from+window) - curve.countAt(from)
	}
	return sum / (windowPositions + 1) / window.Seconds()
}

// wholeRounds returns the longest whole number of mean rounds that fits between the last arrival
// and the end of the duration, at least one. A round is the time of one request of a client.
func (c *completions) wholeRounds() time.Duration {
	present := c.durationEnd - c.allArrived
	if c.underWay == 0 {
		return present
	}
	round := c.underWayTime / time.Duration(c.underWay)
	return max(present/round, 1) * round
}

// curve is a cumulative count over time, linear between its points.
type curve struct {
	times  []time.Duration
	counts []float64
}

// curve returns the number of successes so far over time. It rises from the first arrival on, and
// between answers too, because a server also works between them.
func (c *completions) curve() curve {
	out := curve{times: []time.Duration{c.firstArrival}, counts: []float64{0}}
	sum := 0.0
	for i, n := range c.slots {
		if n > 0 {
			sum += float64(n)
			out.times = append(out.times, c.firstArrival+time.Duration(i+1)*c.slotLength())
			out.counts = append(out.counts, sum)
		}
	}
	return out
}

// countAt returns the count at t, interpolated between the points.
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
