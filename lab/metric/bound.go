package metric

import "runtimelab/lab"

// Bound says on which side of a figure the true value may lie.
type Bound string

const (
	Exact   Bound = ""
	AtLeast Bound = ">="   // the true value is the figure or more
	AtMost  Bound = "<="   // the true value is the figure or less
	Open    Bound = "open" // the true value is unknown: bounds of both kinds were combined
)

// Times returns the bound of a product of figures with bounds b and o.
func (b Bound) Times(o Bound) Bound {
	switch {
	case b == Exact || b == o:
		return o
	case o == Exact:
		return b
	}
	return Open
}

// Inverse returns the bound of the reciprocal.
func (b Bound) Inverse() Bound {
	switch b {
	case AtLeast:
		return AtMost
	case AtMost:
		return AtLeast
	}
	return b
}

// OpensLow reports whether the true value may lie anywhere below the figure.
func (b Bound) OpensLow() bool { return b == AtMost || b == Open }

// OpensHigh reports whether the true value may lie anywhere above the figure.
func (b Bound) OpensHigh() bool { return b == AtLeast || b == Open }

// IsThroughput reports whether the metric counts completed work. More CPUs increase it, and
// so does a faster instrument: what a censored row has of it is a lower bound.
func (m Metric) IsThroughput() bool { return m.Group == Throughput && m.Better == Higher }

// Bound returns the bound of the metric's value in a row with a validity. counts is false if
// the value does not count: the row is not usable, or it is censored and the metric counts no
// completed work.
func (m Metric) Bound(v lab.Validity) (b Bound, counts bool) {
	switch v {
	case lab.Valid:
		return Exact, true
	case lab.Censored:
		return AtLeast, m.IsThroughput()
	}
	return Exact, false
}

// FailingBound returns the bound of the metric's value if more requests failed than it
// tolerates. A server saves effort by what it fails to do, so the true value is at best the
// measured one.
func (m Metric) FailingBound() Bound {
	switch m.Better {
	case Higher:
		return AtMost
	case Lower:
		return AtLeast
	}
	return Open
}

// Figure returns the row's value of a metric and its bound, or false if the row has
// none that counts.
func (r Row) Figure(m Metric) (value float64, b Bound, ok bool) {
	b, counts := m.Bound(r.Attempt().Validity)
	value, known := r.Float(m.Name)
	return value, b, counts && known
}
