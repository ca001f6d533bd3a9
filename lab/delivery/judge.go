package delivery

import (
	"cmp"
	"fmt"
	"slices"

	"runtimelab/lab"
)

// tally counts the faults of each kind in a room, and describes the first of each.
type tally struct {
	kinds []lab.DeliveryFaultKind // in the order in which they were found
	count map[lab.DeliveryFaultKind]int
	first map[lab.DeliveryFaultKind]string
}

func (t *tally) add(kind lab.DeliveryFaultKind, format string, args ...any) {
	if t.count[kind] == 0 {
		t.kinds = append(t.kinds, kind)
		t.first[kind] = fmt.Sprintf(format, args...)
	}
	t.count[kind]++
}

// judge compares what every subscriber saw with what was published, and returns the faults of the room.
func (r *room) judge() []lab.DeliveryFault {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.subscribers) == 0 {
		return r.faults
	}
	t := &tally{count: map[lab.DeliveryFaultKind]int{}, first: map[lab.DeliveryFaultKind]string{}}
	numbers := r.numbersSeen()
	deliveries := 0
	for _, s := range r.subscribers {
		s.mu.Lock()
		deliveries += len(r.published) - s.firstID
		r.judgeSubscriber(t, s, numbers)
		s.mu.Unlock()
	}
	r.judgeNumbers(t, numbers)
	r.judgeOrder(t, numbers)
	for _, kind := range t.kinds {
		r.faults = append(r.faults, lab.DeliveryFault{Kind: kind, Text: fmt.Sprintf(
			"%s: %d times in %d messages and %d deliveries; the first: %s",
			r.name, t.count[kind], len(r.published), deliveries, t.first[kind])})
	}
	return r.faults
}

// numbersSeen returns the number of each message by id, as most of the subscribers and the answer to its
// publish say; 0 if nobody saw the message.
func (r *room) numbersSeen() []int64 {
	votes := make(map[receipt]int)
	numbers, most := make([]int64, len(r.published)), make([]int, len(r.published))
	for id, p := range r.published {
		if p.number != 0 {
			votes[receipt{p.number, id}], numbers[id], most[id] = 1, p.number, 1
		}
	}
	for _, s := range r.subscribers {
		s.mu.Lock()
		for _, m := range s.receipts {
			if m.id == unknown || m.id >= len(numbers) {
				continue
			}
			if votes[m]++; votes[m] > most[m.id] {
				numbers[m.id], most[m.id] = m.number, votes[m]
			}
		}
		s.mu.Unlock()
	}
	return numbers
}

// judgeSubscriber judges what one subscriber saw. want has the number of each message.
func (r *room) judgeSubscriber(t *tally, s *subscriber, want []int64) {
	got := make([]bool, len(r.published))
	numbers := make(map[int64]bool, len(s.receipts))
	highest := int64(0)
	for _, m := range s.receipts {
		if m.id == unknown || m.id >= len(r.published) {
			t.add(lab.DeliveryForeign, "%s got number %d with a text that was not published here", s.name, m.number)
			continue
		}
		if got[m.id] || numbers[m.number] {
			t.add(lab.DeliveryDoubled, "%s got message %d again, as number %d", s.name, m.id, m.number)
			continue
		}
		got[m.id], numbers[m.number] = true, true
		if m.id < s.firstID {
			t.add(lab.DeliveryEarly, "%s got message %d, which was answered before it subscribed", s.name, m.id)
		}
		if m.number < highest {
			t.add(lab.DeliveryReordered, "%s got number %d after %d", s.name, m.number, highest)
		}
		highest = max(highest, m.number)
		if m.number != want[m.id] {
			t.add(lab.DeliveryDiffers, "%s got message %d as number %d, and others as number %d",
				s.name, m.id, m.number, want[m.id])
		}
	}
	for id := s.firstID; id < len(got); id++ {
		if p := r.published[id]; !got[id] && !p.sent.IsZero() {
			t.add(lab.DeliveryLost, "%s did not get message %d%s", s.name, id,
				numberInBrackets(cmp.Or(p.number, want[id])))
		}
	}
}

func numberInBrackets(number int64) string {
	if number == 0 {
		return ""
	}
	return fmt.Sprintf(" (number %d)", number)
}

// judgeNumbers judges whether answers have the numbers that subscribers saw, and whether numbers run
// from 1 without a gap. A number that any subscriber got is no gap, even if others got its message by
// another one: that difference is the fault.
func (r *room) judgeNumbers(t *tally, seen []int64) {
	used := make(map[int64]bool, len(seen))
	highest, hidden := int64(0), 0
	for id, p := range r.published {
		if p.number != 0 && seen[id] != 0 && p.number != seen[id] {
			t.add(lab.DeliveryNumber, "the publish of message %d is answered with %d, and subscribers got %d",
				id, p.number, seen[id])
		}
		number := cmp.Or(seen[id], p.number)
		if number == 0 && !p.sent.IsZero() {
			hidden++ // a lost frame, whose number nobody knows
		}
		used[number] = true
		highest = max(highest, number)
	}
	for _, s := range r.subscribers {
		for _, m := range s.receipts {
			used[m.number] = true
		}
	}
	for number := int64(1); number <= highest; number++ {
		if used[number] {
			continue
		}
		if hidden > 0 {
			hidden--
			continue
		}
		t.add(lab.DeliveryGap, "no message has the number %d of 1 to %d", number, highest)
	}
}

// judgeOrder judges whether what was published after another message had been answered, or sent after
// it on one socket, has the higher number.
func (r *room) judgeOrder(t *tally, seen []int64) {
	type span struct {
		publication
		id int
	}
	var bySent, byAnswered []span
	last := make(map[int]span) // by socket
	for id, p := range r.published {
		if p.number = cmp.Or(p.number, seen[id]); p.number == 0 {
			continue
		}
		x := span{p, id}
		bySent = append(bySent, x)
		if !p.answered.IsZero() {
			byAnswered = append(byAnswered, x)
		}
		if p.sender == 0 {
			continue
		}
		if before := last[p.sender]; p.number < before.number {
			t.add(lab.DeliveryLate, "message %d has number %d, and message %d, sent before it on the same socket, %d",
				id, p.number, before.id, before.number)
		}
		last[p.sender] = x
	}
	slices.SortFunc(bySent, func(a, b span) int { return a.sent.Compare(b.sent) })
	slices.SortFunc(byAnswered, func(a, b span) int { return a.answered.Compare(b.answered) })
	var before span // with the highest number of those that were answered
	next := 0
	for _, x := range bySent {
		for next < len(byAnswered) && byAnswered[next].answered.Before(x.sent) {
			if byAnswered[next].number > before.number {
				before = byAnswered[next]
			}
			next++
		}
		if x.number < before.number {
			t.add(lab.DeliveryLate, "message %d has number %d, and message %d, answered before it was sent, %d",
				x.id, x.number, before.id, before.number)
		}
	}
}
