package attack

// ring hands out connections in turn. Each is used as often as any other, as by independent clients, so
// that a server that spreads connections over workers keeps all of them busy.
type ring[T any] struct {
	free  []T // has room for every connection
	first int
	count int
}

func newRing[T any](size int) ring[T] { return ring[T]{free: make([]T, size)} }

func (r *ring[T]) take() T {
	if r.count == 0 {
		panic("attack: more hits in flight than connections")
	}
	c := r.free[r.first]
	if r.first++; r.first == len(r.free) {
		r.first = 0
	}
	r.count--
	return c
}

func (r *ring[T]) put(c T) {
	i := r.first + r.count
	if i >= len(r.free) {
		i -= len(r.free)
	}
	r.free[i] = c
	r.count++
}
