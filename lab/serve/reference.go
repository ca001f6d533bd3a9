package serve

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"runtimelab/lab"
)

// reference does a fixed piece of work for each request, one at a time as a
// runtime with a single thread does, and keeps its own clock of it.
type reference struct {
	iterations int
	times      *hdrhistogram.Histogram
}

func newReference(iterations int) *pollServer {
	r := &reference{iterations: iterations, times: hdrhistogram.New(1, int64(time.Minute), 3)}
	return &pollServer{answer: r.answer}
}

func (r *reference) answer(head []byte, write func([]byte)) {
	if method, ok := isRequestFor(head, lab.ServiceTimesPath); ok {
		if method == "DELETE" {
			r.times.Reset()
		}
		text, err := json.Marshal(r.serviceTimes())
		if err != nil {
			panic("serve: a service cannot be told: " + err.Error()) // it is five numbers
		}
		write(okAnswer("application/json", text))
		return
	}
	began := time.Now()
	Work(r.iterations)
	write(plainAnswer)
	// A minute is longer than any work that makes sense.
	_ = r.times.RecordValue(min(int64(time.Since(began)), int64(time.Minute)))
}

// isRequestFor reports whether the request is for path, and its method.
func isRequestFor(head []byte, path string) (method string, ok bool) {
	first, rest, _ := bytes.Cut(head, []byte(" "))
	target, _, _ := bytes.Cut(rest, []byte(" "))
	return string(first), string(target) == path
}

func (r *reference) serviceTimes() lab.ServiceTimes {
	return lab.ServiceTimes{
		Count:  r.times.TotalCount(),
		Mean:   time.Duration(r.times.Mean()),
		Median: time.Duration(r.times.ValueAtPercentile(50)),
		P99:    time.Duration(r.times.ValueAtPercentile(99)),
		Max:    time.Duration(r.times.Max()),
	}
}
