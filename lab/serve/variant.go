package serve

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"runtimelab/lab"
)

// RuntimeName is the name of the lab's own responders where runtimes are listed.
const RuntimeName = "lab"

// ResponseBody is the body with which every measured responder answers any request.
const ResponseBody = "Hello, World!"

// Target returns the request that responders are measured with, and its answer.
func Target() lab.Target {
	return lab.Target{
		Request: lab.Request{Method: http.MethodGet, Path: "/"}, Status: http.StatusOK,
		Body: []byte(ResponseBody),
	}
}

// Null returns the variant that answers as fast as one CPU can.
func Null() lab.Variant {
	return newVariant("null", "a constant answer, as fast as one CPU can", "null")
}

// Reference returns the variant that does the given iterations of Work for each request.
// name distinguishes several such variants.
func Reference(name string, iterations int) lab.Variant {
	return newVariant(name, fmt.Sprintf("%d steps of fixed CPU work for each request", iterations), "reference",
		fmt.Sprintf("-iterations=%d", iterations))
}

// referenceIterations take 5 to 8 ms. The rest of a request is then a few thousandths of
// its time, and the ratio of two references is that of their work.
const referenceIterations = 4_000_000

// References returns two variants whose throughput has a known ratio: lab.LightReference,
// and lab.HeavyReference, which does lab.ReferenceRatio times the work.
func References() []lab.Variant {
	heavy := math.Round(lab.ReferenceRatio * referenceIterations)
	return []lab.Variant{Reference("reference", referenceIterations), Reference("reference-110", int(heavy))}
}

// burnIterations take 50 to 80 ms. So few requests a second cost a generator on one of the
// server's CPUs almost nothing.
const burnIterations = 40_000_000

// Burn returns lab.BurnVariant, which does fixed CPU work on every CPU that it is given,
// one request on each.
func Burn() lab.Variant {
	return newVariant("burn",
		fmt.Sprintf("%d steps of fixed CPU work for each request, on every CPU given", burnIterations),
		"burn", fmt.Sprintf("-iterations=%d", burnIterations))
}

// Virtual returns the variant with virtual cores that use no CPU. If clients keep all
// cores busy, throughput follows the Universal Scalability Law with coefficients sigma
// and kappa; a single core serves 1/service requests per second.
func Virtual(cores int, service time.Duration, sigma, kappa float64) lab.Variant {
	return newVariant(fmt.Sprintf("virtual-%d", cores),
		fmt.Sprintf("%d virtual cores of %v for a request, contention %v and coherency %v, without CPU", cores,
			service, sigma, kappa),
		"virtual", fmt.Sprintf("-cores=%d", cores), fmt.Sprintf("-service=%v", service),
		fmt.Sprintf("-sigma=%v", sigma), fmt.Sprintf("-kappa=%v", kappa))
}

// Waiting returns the variant that answers after a delay without CPU.
func Waiting(delay time.Duration) lab.Variant {
	return newVariant("waiting", fmt.Sprintf("an answer after %v, without CPU", delay), "waiting",
		fmt.Sprintf("-delay=%v", delay))
}

// Stalling returns the variant that answers at once, but nothing during a stall at the end
// of every period. The first period starts with the first request.
func Stalling(period, stall time.Duration) lab.Variant {
	return newVariant("stalling", fmt.Sprintf("answers at once, but stalls %v in every %v", stall, period),
		"stalling", fmt.Sprintf("-period=%v", period), fmt.Sprintf("-stall=%v", stall))
}

// Fanout returns the variant that delivers messages to the subscribers of rooms, with known faults. name
// distinguishes several such variants.
func Fanout(name, about string, o FanoutOptions) lab.Variant {
	f := o.Faults
	return newVariant(name, about, "fanout",
		fmt.Sprintf("-seed=%d", f.Seed), fmt.Sprintf("-subscribers=%d", f.Subscribers),
		fmt.Sprintf("-messages=%d", f.Messages), fmt.Sprintf("-lost=%d", f.Lost),
		fmt.Sprintf("-doubled=%d", f.Doubled), fmt.Sprintf("-swapped=%d", f.Swapped),
		fmt.Sprintf("-crossed=%d", f.Crossed), fmt.Sprintf("-skip=%d", o.Skip),
		fmt.Sprintf("-delay=%v", o.Delay), fmt.Sprintf("-batch=%v", o.Batch),
		fmt.Sprintf("-unbounded=%v", o.Unbounded))
}

// Upstream returns the service that servers call while they answer: it answers GET /wait?ms=N with 200
// and "done" after N milliseconds without CPU, any number at once. Its image is the agent's.
func Upstream() lab.Service {
	calls := lab.Request{Method: http.MethodGet, Path: CallsPath}
	return lab.Service{
		Role: lab.RoleUpstream, Name: lab.UpstreamName,
		Command: responderCommand("upstream"),
		Env:     map[string]string{"HOST": "127.0.0.1", "PORT": fmt.Sprint(lab.UpstreamPort)},
		CPUs:    lab.CPURequest{Count: 1},
		Port:    lab.UpstreamPort, MemoryBytes: lab.ServerMemory,
		Ready: &lab.Readiness{Request: &calls}, CallCount: &calls,
		ServerEnv: map[string]string{"UPSTREAM_URL": fmt.Sprintf("http://127.0.0.1:%d", lab.UpstreamPort)},
	}
}

// newVariant returns the variant of a responder; command are its arguments.
func newVariant(name, about string, command ...string) lab.Variant {
	return lab.Variant{
		Runtime: RuntimeName, Name: name, About: about, Model: "single",
		Command: responderCommand(command...), Responder: true,
	}
}

// responderCommand returns the command of a container of the agent's image that runs a responder.
func responderCommand(arguments ...string) []string {
	return append([]string{"/agent", "serve"}, arguments...)
}

// Paths at which a responder reports about itself. These requests are not counted.
const (
	StallsPath = "/stalls" // stalling: the []Stall so far
	CallsPath  = "/hits"   // upstream: the lab.CallCount so far

	FanoutFaultsPath = "/faults" // fanout: the []FanoutFault so far
)

// FanoutSubscriberParameter is a parameter of a subscription's query: the subscriber's index among those
// of its room. A client that opens many connections at once can name them so.
const FanoutSubscriberParameter = "subscriber"

// Stall is a period in which a stalling server answered nothing.
type Stall struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}
