package eventloop

import "time"

// Timer calls a function of the loop's goroutine once, at a time after the loop's epoch.
type Timer struct {
	fire     func()
	due      time.Duration
	position int // in the heap, from 1; 0 if the timer is not set
}

// NewTimer returns a timer that is not set yet and calls fire.
func NewTimer(fire func()) Timer { return Timer{fire: fire} }

// timers is a heap of the timers that are set, the next one first. Each knows its position, so that
// setting it again moves it and allocates nothing.
type timers []*Timer

// next returns when the next timer is due.
func (h timers) next() time.Duration {
	if len(h) == 0 {
		return never
	}
	return h[0].due
}

func (h *timers) set(t *Timer, due time.Duration) {
	t.due = due
	if t.position == 0 {
		*h = append(*h, t)
		t.position = len(*h)
	}
	h.up(t.position - 1)
	h.down(t.position - 1)
}

func (h *timers) remove(t *Timer) {
	if t.position == 0 {
		return
	}
	i, last := t.position-1, len(*h)-1
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	t.position = 0
	if i < last {
		h.up(i)
		h.down(i)
	}
}

func (h timers) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].position, h[j].position = i+1, j+1
}

func (h timers) up(i int) {
	for i > 0 && h[i].due < h[(i-1)/2].due {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (h timers) down(i int) {
	for {
		child := 2*i + 1
		if child+1 < len(h) && h[child+1].due < h[child].due {
			child++
		}
		if child >= len(h) || h[child].due >= h[i].due {
			return
		}
		h.swap(i, child)
		i = child
	}
}
