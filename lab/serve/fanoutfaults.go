package serve

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// FanoutFaultKind names what a fan-out reference does wrong with one delivery.
type FanoutFaultKind string

const (
	FanoutLost    FanoutFaultKind = "lost"    // it is not delivered
	FanoutDoubled FanoutFaultKind = "doubled" // it is delivered twice
	FanoutSwapped FanoutFaultKind = "swapped" // it is delivered before the message with the number before
	FanoutCrossed FanoutFaultKind = "crossed" // it and the message before it have each other's number
)

// FanoutFault is one fault of a fan-out reference: a message at a subscriber, in every room.
type FanoutFault struct {
	Subscriber int             `json:"subscriber"` // from 0, in the order in which they came to the room
	Number     int64           `json:"number"`     // of the message, from 1
	Kind       FanoutFaultKind `json:"kind"`
}

// FanoutFaults says how many faults a fan-out reference has in each room.
type FanoutFaults struct {
	Seed                            uint64
	Subscribers                     int   // of a room, at which faults are
	Messages                        int64 // of a room, among which faults are
	Lost, Doubled, Swapped, Crossed int
}

// valid reports whether all numbers are possible, and whether there are deliveries for the faults.
func (f FanoutFaults) valid() bool {
	count := f.Lost + f.Doubled + f.Swapped + f.Crossed
	least := min(f.Lost, f.Doubled, f.Swapped, f.Crossed)
	return least >= 0 && (count == 0 || f.Subscribers > 0 && f.Messages > 1)
}

// List returns the faults, which depend on the seed only. Those of each kind are at different deliveries;
// among them are the first and the last that can have it. One message is doubled and swapped, if there
// are faults of both kinds.
func (f FanoutFaults) List() []FanoutFault {
	l := faultList{random: rand.New(rand.NewPCG(f.Seed, 0)), rule: f, taken: make(map[FanoutFault]bool)}
	// Exchanges come first: they need two messages in a row, both of which are delivered.
	l.draw(FanoutSwapped, f.Swapped, 2)
	l.draw(FanoutCrossed, f.Crossed, 2)
	l.draw(FanoutLost, f.Lost, 1)
	if f.Swapped > 0 && f.Doubled > 0 {
		both := l.faults[0]
		both.Kind = FanoutDoubled
		l.add(both)
		f.Doubled--
	}
	l.draw(FanoutDoubled, f.Doubled, 1)
	slices.SortFunc(l.faults, compareFaults)
	return l.faults
}

func compareFaults(a, b FanoutFault) int {
	return cmp.Or(cmp.Compare(a.Subscriber, b.Subscriber), cmp.Compare(a.Number, b.Number),
		cmp.Compare(a.Kind, b.Kind))
}

// faultList is a list of faults while it is drawn.
type faultList struct {
	random *rand.Rand
	rule   FanoutFaults
	faults []FanoutFault
	taken  map[FanoutFault]bool
}

// draw adds count faults of a kind, at messages from number lowest on: the first that there can be, the
// last, and random ones. It adds fewer if there is no place for more.
func (l *faultList) draw(kind FanoutFaultKind, count int, lowest int64) {
	if l.rule.Subscribers < 1 || l.rule.Messages < lowest {
		return
	}
	last := FanoutFault{l.rule.Subscribers - 1, l.rule.Messages, kind}
	for _, f := range []FanoutFault{{0, lowest, kind}, last} {
		if count > 0 && l.fits(f) {
			l.add(f)
			count--
		}
	}
	places := int64(l.rule.Subscribers) * l.rule.Messages
	for tries := int64(0); count > 0 && tries < 100*places; tries++ {
		f := FanoutFault{
			l.random.IntN(l.rule.Subscribers), lowest + l.random.Int64N(l.rule.Messages-lowest+1),
			kind,
		}
		if l.fits(f) {
			l.add(f)
			count--
		}
	}
}

func (l *faultList) add(f FanoutFault) {
	l.faults = append(l.faults, f)
	l.taken[f] = true
}

// fits reports whether a fault leaves those that are drawn as they are: each is seen at the subscriber.
func (l *faultList) fits(f FanoutFault) bool {
	has := func(number int64, kinds ...FanoutFaultKind) bool {
		return slices.ContainsFunc(kinds, func(k FanoutFaultKind) bool {
			return l.taken[FanoutFault{f.Subscriber, number, k}]
		})
	}
	n := f.Number
	switch f.Kind {
	case FanoutSwapped, FanoutCrossed:
		for number := n - 1; number <= n+1; number++ {
			if has(number, FanoutSwapped, FanoutCrossed) {
				return false
			}
		}
		return true
	case FanoutLost:
		return !has(n, FanoutLost, FanoutSwapped, FanoutCrossed) && !has(n+1, FanoutSwapped, FanoutCrossed)
	default:
		return !has(n, FanoutDoubled, FanoutLost, FanoutCrossed) && !has(n+1, FanoutCrossed)
	}
}
