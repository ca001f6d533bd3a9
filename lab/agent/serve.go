package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/attack"
	"runtimelab/lab/crosscheck"
	"runtimelab/lab/delivery"
)

// Agent carries out the commands of a Client, one after another.
type Agent interface {
	Topology() (lab.Topology, error)
	// AwaitFirstAnswer returns when the first correct answer came, by the cell's clock.
	AwaitFirstAnswer(ctx context.Context, r AwaitRequest) (time.Time, error)
	// Send sends each request once, one after another, and returns the answers in order.
	Send(ctx context.Context, baseURL string, requests []lab.Request) []lab.Answer
	// CheckSubscribers subscribes to rooms of a server, publishes, and returns how the server breaks the
	// rule.
	CheckSubscribers(ctx context.Context, r CheckRequest) ([]lab.DeliveryFault, error)
	TellServices(all []Service)
	Attack(ctx context.Context, a lab.Attack) (account.Observation, error)
	// CrossCheck runs an attack by a generator that shares no part with Attack's.
	CrossCheck(ctx context.Context, a lab.Attack) (lab.CrossReading, error)
	// ReadSpool returns a part of the hits that the last attack kept, from an offset. It is empty at the end.
	ReadSpool(offset int64) ([]byte, error)
	RunCanaries(ctx context.Context, cpus []int) ([]lab.Canary, error)
	// Listeners returns the TCP sockets of the cell that accept connections, sorted by port.
	Listeners() ([]lab.Listener, error)
	// Count asks a database on a port of the cell what it has counted so far.
	Count(ctx context.Context, port int, q lab.CountQuery) (lab.DatabaseCounts, error)
}

// Serve replies on out to the requests from in, until in ends. It refuses to serve if the namespace
// has any network interface but loopback.
func Serve(ctx context.Context, in io.Reader, out io.Writer, m Machine) error {
	links, err := m.interfaces()
	if err != nil {
		return err
	}
	if !slices.Equal(links, []string{"lo"}) {
		return fmt.Errorf("this cell has the network interfaces %s; only lo may exist", strings.Join(links, ", "))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if m.orphans != nil {
		go m.orphans.watch(ctx, m.serviceOf)
	}
	return Reply(ctx, in, out, m)
}

// Reply replies on out to the requests from in, which a carries out, until in ends.
func Reply(ctx context.Context, in io.Reader, out io.Writer, a Agent) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	requests := make(chan request)
	ended := make(chan error, 1)
	go func() { ended <- readRequests(ctx, in, requests) }()
	for {
		select {
		case err := <-ended:
			return err
		case req := <-requests:
			// Handle the request in the background: the end of input must interrupt it.
			done := make(chan reply, 1)
			go func() { done <- handle(ctx, req, a) }()
			select {
			case err := <-ended:
				return err
			case answer := <-done:
				if err := json.NewEncoder(out).Encode(answer); err != nil {
					return fmt.Errorf("replying to %s: %w", req.Verb, err)
				}
			}
		}
	}
}

func readRequests(ctx context.Context, in io.Reader, requests chan<- request) error {
	lines := json.NewDecoder(in)
	for {
		var req request
		if err := lines.Decode(&req); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("reading a request: %w", err)
		}
		select {
		case requests <- req:
		case <-ctx.Done():
			return nil
		}
	}
}

func handle(ctx context.Context, req request, a Agent) reply {
	result, err := dispatch(ctx, req, a)
	if err != nil {
		return reply{ID: req.ID, Error: err.Error()}
	}
	encoded, err := json.Marshal(result)
	if err != nil {
		return reply{ID: req.ID, Error: fmt.Sprintf("encoding the result of %s: %v", req.Verb, err)}
	}
	return reply{ID: req.ID, Result: encoded}
}

// dispatch carries out a request and returns its result, to be encoded as JSON.
func dispatch(ctx context.Context, req request, a Agent) (any, error) {
	switch req.Verb {
	case verbProbe:
		return a.Topology()
	case verbAwait:
		var args AwaitRequest
		if err := json.Unmarshal(req.Arguments, &args); err != nil {
			return nil, fmt.Errorf("reading %s: %w", req.Verb, err)
		}
		return a.AwaitFirstAnswer(ctx, args)
	case verbCheck:
		var args sendArguments
		if err := json.Unmarshal(req.Arguments, &args); err != nil {
			return nil, fmt.Errorf("reading %s: %w", req.Verb, err)
		}
		requests, err := unpackRequests(args.Requests)
		if err != nil {
			return nil, err
		}
		return packAnswers(a.Send(ctx, args.BaseURL, requests))
	case verbRooms:
		var args CheckRequest
		if err := json.Unmarshal(req.Arguments, &args); err != nil {
			return nil, fmt.Errorf("reading %s: %w", req.Verb, err)
		}
		return a.CheckSubscribers(ctx, args)
	case verbAttack:
		var args lab.Attack
		if err := json.Unmarshal(req.Arguments, &args); err != nil {
			return nil, fmt.Errorf("reading %s: %w", req.Verb, err)
		}
		return a.Attack(ctx, args)
	case verbCrossCheck:
		var args lab.Attack
		if err := json.Unmarshal(req.Arguments, &args); err != nil {
			return nil, fmt.Errorf("reading %s: %w", req.Verb, err)
		}
		return a.CrossCheck(ctx, args)
	case verbRead:
		var args spoolChunk
		if err := json.Unmarshal(req.Arguments, &args); err != nil {
			return nil, fmt.Errorf("reading %s: %w", req.Verb, err)
		}
		hits, err := a.ReadSpool(args.Offset)
		return spoolChunk{Offset: args.Offset, Bytes: hits}, err
	case verbCanary:
		var cpus []int
		if err := json.Unmarshal(req.Arguments, &cpus); err != nil {
			return nil, fmt.Errorf("reading %s: %w", req.Verb, err)
		}
		return a.RunCanaries(ctx, cpus)
	case verbListen:
		return a.Listeners()
	case verbCount:
		var args countArguments
		if err := json.Unmarshal(req.Arguments, &args); err != nil {
			return nil, fmt.Errorf("reading %s: %w", req.Verb, err)
		}
		return a.Count(ctx, args.Port, args.Query)
	case verbServices:
		var told []Service
		if err := json.Unmarshal(req.Arguments, &told); err != nil {
			return nil, fmt.Errorf("reading %s: %w", req.Verb, err)
		}
		a.TellServices(told)
		return struct{}{}, nil
	}
	return nil, fmt.Errorf("unknown verb %q: the lab and its agent are from different builds", req.Verb)
}

// gcPercent is GOGC during an attack. Sweeping after a collection keeps the generator from its
// sockets, the longer the larger the heap. At half the ceiling, a heap of 32 MiB delayed hits by
// 3 ms five times a second. One of 10 MiB delays them by 1 ms and does not lower the ceiling.
const gcPercent = 200

// Attack runs an attack, and reads the machine's state before and after it.
func (m Machine) Attack(ctx context.Context, a lab.Attack) (account.Observation, error) {
	cpus, err := m.affinity()
	if err != nil {
		return account.Observation{}, err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(len(cpus)))
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	// Go's runtime would return freed memory to the system during the attack, in a hundredth of the
	// CPU's time (runtime/mgcscavenge.go). That is half of what a generator may use if it shares its
	// CPU.
	debug.FreeOSMemory()

	hits, err := m.openSpool(a.KeepHits)
	if err != nil {
		return account.Observation{}, err
	}
	if a.SleepWhenIdle {
		defer m.shortenSlices()()
	}
	before, err := m.takeReading()
	if err != nil {
		return account.Observation{}, errors.Join(err, hits.Close())
	}
	awaitSideAnswer := startSideRequest(ctx, a)
	// Read before the result is computed: that work is not part of the attack, and a server on the
	// same CPU would be charged for it.
	var after account.Reading
	var readErr error
	result, err := attack.Run(ctx, a, hits, func() { after, readErr = m.takeReading() })
	result.SideAnswer = awaitSideAnswer()
	if err = errors.Join(err, readErr, hits.Close()); err != nil {
		return account.Observation{}, err
	}
	readings := account.CellReadings{Before: before, After: after, GeneratorCPUs: cpus}
	if a.SleepWhenIdle {
		readings.Waiting = &account.WaitingReading{Slice: m.grantedSlice()}
	}
	return account.Observation{AttackResult: result, CellReadings: readings}, nil
}

// CrossCheck runs an attack by a generator that shares no part with Attack's.
func (m Machine) CrossCheck(ctx context.Context, a lab.Attack) (lab.CrossReading, error) {
	cpus, err := m.affinity()
	if err != nil {
		return lab.CrossReading{}, err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(len(cpus)))
	return crosscheck.Run(ctx, a)
}

// sideRequestDelay is the time from the start of an attack to its side request. A warm-up lasts
// longer: it needs two seconds to be steady.
const sideRequestDelay = time.Second

// startSideRequest sends the side request once the attack is under way. It returns a function that
// waits for the answer, which is nil if the attack has no side request.
func startSideRequest(ctx context.Context, a lab.Attack) func() *lab.Answer {
	if a.SideRequest == nil {
		return func() *lab.Answer { return nil }
	}
	answered := make(chan lab.Answer, 1)
	go func() {
		select {
		case <-ctx.Done():
		case <-time.After(min(sideRequestDelay, a.Duration/4)):
		}
		client := newPlainClient()
		client.Timeout = a.Timeout
		defer client.CloseIdleConnections()
		answered <- sendRequest(ctx, client, a.BaseURL, *a.SideRequest)
	}()
	return func() *lab.Answer {
		answer := <-answered
		return &answer
	}
}

const (
	sendTimeout   = 10 * time.Second
	maxUnanswered = 3 // after so many requests in a row without an answer, the rest are not sent
)

// Send sends each request once, one after another, and returns the answers in order.
func (Machine) Send(ctx context.Context, baseURL string, requests []lab.Request) []lab.Answer {
	client := newPlainClient()
	client.Timeout = sendTimeout
	defer client.CloseIdleConnections()
	answers := make([]lab.Answer, len(requests))
	unanswered := 0
	for i, r := range requests {
		if unanswered == maxUnanswered {
			answers[i] = lab.Answer{
				Error: fmt.Sprintf("not sent: %d requests in a row got no answer", maxUnanswered),
			}
			continue
		}
		if answers[i] = sendRequest(ctx, client, baseURL, r); answers[i].Error != "" {
			unanswered++
		} else {
			unanswered = 0
		}
	}
	return answers
}

// roomPrefix begins the names of the rooms of a check. Vectors have other rooms.
const roomPrefix = "check-"

// CheckSubscribers subscribes to rooms of a server, publishes, and returns how the server breaks the
// rule.
func (Machine) CheckSubscribers(ctx context.Context, r CheckRequest) ([]lab.DeliveryFault, error) {
	return delivery.Check(ctx, r.BaseURL, roomPrefix, r.Rule)
}

// maxAnswerBody limits the body that is read, in bytes: a server whose answer never ends must not
// exhaust the generator's memory.
const maxAnswerBody = 16 << 20

// newPlainClient returns an HTTP client that shows answers as they were sent. It follows no
// redirects and asks for no compression.
func newPlainClient() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:        (&net.Dialer{}).DialContext,
			DisableCompression: true,
		},
	}
}

// sendRequest sends a request and returns its answer. Errors are in Answer.Error.
func sendRequest(ctx context.Context, client *http.Client, base string, r lab.Request) lab.Answer {
	req, err := http.NewRequestWithContext(ctx, r.Method, base+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return lab.Answer{Error: err.Error()}
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	if strings.EqualFold(req.Header.Get("Transfer-Encoding"), "chunked") {
		// net/http sends a body in chunks only if it does not know the length.
		req.Header.Del("Transfer-Encoding")
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(r.Body)), -1
	}
	resp, err := client.Do(req)
	if err != nil {
		return lab.Answer{Error: err.Error()}
	}
	defer resp.Body.Close()
	var body []byte
	// Another protocol follows a 101, and it may never end.
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswerBody+1))
	}
	if err == nil && len(body) > maxAnswerBody {
		err = fmt.Errorf("it is larger than %d MiB", maxAnswerBody>>20)
	}
	if err != nil {
		return lab.Answer{Error: fmt.Sprintf("reading the body of %s %s: %v", r.Method, r.Path, err)}
	}
	header := make(map[string]string, len(resp.Header))
	for name, values := range resp.Header {
		header[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return lab.Answer{Status: resp.StatusCode, Header: header, Body: body}
}
