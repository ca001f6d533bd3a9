package serve

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"runtimelab/lab"
)

// reference does a fixed amount of work for each request, one request at a time like a
// runtime with a single thread, and measures its service times.
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
		text, err := json.Marshal(summarise(r.times))
		if err != nil {
			panic("serve: encoding service times: " + err.Error()) // five numbers always encode
		}
		write(okAnswer("application/json", text))
		return
	}
	began := time.Now()
	Work(r.iterations)
	write(plainAnswer)
	// The histogram ends at a minute, and RecordValue fails above that.
	_ = r.times.RecordValue(min(int64(time.Since(began)), int64(time.Minute)))
}

// isRequestFor returns the method of a request and whether it is for path.
func isRequestFor(head []byte, path string) (method string, ok bool) {
	first, rest, _ := bytes.Cut(head, []byte(" "))
	target, _, _ := bytes.Cut(rest, []byte(" "))
	return string(first), string(target) == path
}

// summarise returns the service times of a histogram.
func summarise(times *hdrhistogram.Histogram) lab.ServiceTimes {
	return lab.ServiceTimes{
		Count:  times.TotalCount(),
		Mean:   time.Duration(times.Mean()),
		Median: time.Duration(times.ValueAtPercentile(50)),
		P99:    time.Duration(times.ValueAtPercentile(99)),
		Max:    time.Duration(times.Max()),
	}
}
