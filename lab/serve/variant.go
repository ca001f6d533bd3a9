package serve

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"runtimelab/lab"
)

// RuntimeName is the name under which the lab's own responders appear where
// runtimes do.
const RuntimeName = "lab"

// ResponseBody is what every responder that is measured answers, whatever it is asked.
const ResponseBody = "Hello, World!"

// Target is the request that responders are measured with.
func Target() lab.Target {
	return lab.Target{
		Request: lab.Request{Method: http.MethodGet, Path: "/"}, Status: http.StatusOK,
		Body: []byte(ResponseBody),
	}
}

// Null is the variant that answers as fast as one CPU can.
func Null() lab.Variant {
	return newVariant("null", "a constant answer, as fast as one CPU can", "null")
}

// Reference is the variant that does so many iterations of Work for each
// request. name tells several apart.
func Reference(name string, iterations int) lab.Variant {
	return newVariant(name, fmt.Sprintf("%d steps of fixed CPU work for each request", iterations), "reference",
		fmt.Sprintf("-iterations=%d", iterations))
}

// referenceIterations take 5 to 8 ms: so much that what a request costs beside
// its work is a few thousandths of it.
const referenceIterations = 4_000_000

// References are the variants whose throughput has a known ratio:
// lab.LightReference, and lab.HeavyReference, which does lab.ReferenceRatio times
// the work.
func References() []lab.Variant {
	more := math.Round(lab.ReferenceRatio * referenceIterations)
	return []lab.Variant{Reference("reference", referenceIterations), Reference("reference-110", int(more))}
}

// burnIterations take 50 to 80 ms: so few requests a second that a generator on
// one of the server's own CPUs takes next to nothing of it.
const burnIterations = 40_000_000

// Burn is lab.Burn: the variant that does fixed CPU work on every CPU that it is
// given, for as many requests at once.
func Burn() lab.Variant {
	return newVariant("burn",
		fmt.Sprintf("%d steps of fixed CPU work for each request, on every CPU given", burnIterations),
		"burn", fmt.Sprintf("-iterations=%d", burnIterations))
}

// Virtual is the variant with so many cores that take no CPU: the throughput of
// clients that keep them all busy follows the Universal Scalability Law of these
// coefficients, with 1/service for a single core.
func Virtual(cores int, service time.Duration, sigma, kappa float64) lab.Variant {
	return newVariant(fmt.Sprintf("virtual-%d", cores),
		fmt.Sprintf("%d virtual cores of %v for a request, contention %v and coherency %v, without CPU", cores,
			service, sigma, kappa),
		"virtual", fmt.Sprintf("-cores=%d", cores), fmt.Sprintf("-service=%v", service),
		fmt.Sprintf("-sigma=%v", sigma), fmt.Sprintf("-kappa=%v", kappa))
}

// Waiting is the variant that answers after a delay that takes no CPU.
func Waiting(delay time.Duration) lab.Variant {
	return newVariant("waiting", fmt.Sprintf("an answer after %v, without CPU", delay), "waiting",
		fmt.Sprintf("-delay=%v", delay))
}

// Stalling is the variant that answers nothing during stall at the end of
// every period, and everything at once otherwise. Periods count from the first
// request.
func Stalling(period, stall time.Duration) lab.Variant {
	return newVariant("stalling", fmt.Sprintf("answers at once, but stalls %v in every %v", stall, period),
		"stalling", fmt.Sprintf("-period=%v", period), fmt.Sprintf("-stall=%v", stall))
}

// Upstream is the variant that other variants call: GET /wait?ms=N is answered
// 200 and "done" after N milliseconds, without CPU, as many at once as there are.
func Upstream() lab.Variant {
	return newVariant("upstream", "what applications wait for: an answer after as long as they ask for",
		"upstream")
}

func newVariant(name, about string, command ...string) lab.Variant {
	return lab.Variant{
		Runtime: RuntimeName, Name: name, About: about, Model: "single",
		Command: append([]string{"/agent", "serve"}, command...), Responder: true,
	}
}

// The paths at which a responder tells of itself, and what it tells. Asking
// for them is no service, and takes no part in what they say.
const (
	StallsPath = "/stalls" // stalling: the []Stall so far
	CallsPath  = "/hits"   // upstream: the Hits so far
)

// Stall is when a stalling server answered nothing.
type Stall struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// CallCount is how many waits an upstream has been asked for.
type CallCount struct {
	Count int64 `json:"count"`
}
