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
	"runtimelab/lab/attack"
)

// Serve answers requests from in on out until in ends. It refuses to serve
// where anything but loopback could be reached.
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
	requests := make(chan request)
	ended := make(chan error, 1)
	go func() { ended <- readRequests(ctx, in, requests) }()
	for {
		select {
		case err := <-ended:
			return err
		case req := <-requests:
			// Served beside the wait for the end of input, which must cut
			// short whatever is being done.
			done := make(chan reply, 1)
			go func() { done <- handle(ctx, req, m) }()
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

func handle(ctx context.Context, req request, m Machine) reply {
	result, err := dispatch(ctx, req, m)
	if err != nil {
		return reply{ID: req.ID, Error: err.Error()}
	}
	encoded, err := json.Marshal(result)
	if err != nil {
		return reply{ID: req.ID, Error: fmt.Sprintf("encoding the result of %s: %v", req.Verb, err)}
	}
	return reply{ID: req.ID, Result: encoded}
}

func dispatch(ctx context.Context, req request, m Machine) (any, error) {
	switch req.Verb {
	case verbProbe:
		return m.Topology()
	case verbAwait:
		var what AwaitRequest
		if err := json.Unmarshal(req.Arguments, &what); err != nil {
			return nil, fmt.Errorf("reading %s: %w", req.Verb, err)
		}
		return awaitFirstAnswer(ctx, what)
	case verbCheck:
		var what sendArguments
		if err := json.Unmarshal(req.Arguments, &what); err != nil {
			return nil, fmt.Errorf("reading %s: %w", req.Verb, err)
		}
		requests, err := unpackRequests(what.Requests)
		if err != nil {
			return nil, err
		}
		return packAnswers(sendAll(ctx, what.BaseURL, requests))
	case verbAttack:
		var what lab.Attack
		if err := json.Unmarshal(req.Arguments, &what); err != nil {
			return nil, fmt.Errorf("reading %s: %w", req.Verb, err)
		}
		return runAttack(ctx, what, m)
	case verbRead:
		var what spoolChunk
		if err := json.Unmarshal(req.Arguments, &what); err != nil {
			return nil, fmt.Errorf("reading %s: %w", req.Verb, err)
		}
		return m.readSpool(what.Offset)
	case verbCanary:
		var cpus []int
		if err := json.Unmarshal(req.Arguments, &cpus); err != nil {
			return nil, fmt.Errorf("reading %s: %w", req.Verb, err)
		}
		return m.runCanaries(ctx, cpus)
	}
	return nil, fmt.Errorf("unknown verb %q: the lab and its agent are of different builds", req.Verb)
}

// gcPercent is how far the heap grows before it is collected (GOGC). What is
// swept after a collection keeps the generator from its sockets for as long as
// the heap was large: 32 MiB delayed hits by 3 ms five times a second at half
// the ceiling, 10 MiB delay them by 1 ms, and cost the ceiling nothing.
const gcPercent = 200

// runAttack carries out an attack between two readings of the machine.
func runAttack(ctx context.Context, a lab.Attack, m Machine) (lab.AttackResult, error) {
	cpus, err := m.affinity()
	if err != nil {
		return lab.AttackResult{}, err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(len(cpus)))
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	// What the runtime has yet to return to the system it would return during the
	// attack, in a hundredth of the CPU's time (runtime/mgcscavenge.go): half of
	// what a generator may use that shares its CPU.
	debug.FreeOSMemory()

	hits, err := m.openSpool(a.KeepHits)
	if err != nil {
		return lab.AttackResult{}, err
	}
	before, err := m.takeReading()
	if err != nil {
		return lab.AttackResult{}, errors.Join(err, hits.Close())
	}
	witnessed := startSideRequest(ctx, a)
	// What the generator makes of its hits is no part of the attack: a server that
	// shares its CPU would be charged for it.
	var after lab.Reading
	var unread error
	result, err := attack.Run(ctx, a, hits, func() { after, unread = m.takeReading() })
	result.SideAnswer = witnessed()
	if err = errors.Join(err, unread, hits.Close()); err != nil {
		return result, err
	}
	result.Before, result.After, result.GeneratorCPUs = before, after, cpus
	return result, nil
}

// sideRequestDelay is before the earliest end of a warm-up, which takes two seconds
// to be steady.
const sideRequestDelay = time.Second

// startSideRequest asks for what is to be witnessed once the attack is well under way,
// and returns what waits for the answer.
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
	pollInterval   = time.Millisecond
	attemptTimeout = time.Second
)

// awaitFirstAnswer returns the moment of the first correct answer, by the cell's clock.
func awaitFirstAnswer(ctx context.Context, what AwaitRequest) (time.Time, error) {
	deadline := time.Now().Add(what.Timeout)
	client := newPlainClient()
	client.Timeout = attemptTimeout
	defer client.CloseIdleConnections()
	for {
		answer := sendRequest(ctx, client, what.BaseURL, what.Target.Request)
		now := time.Now()
		problem := answer.Error
		if problem == "" {
			problem = mismatch(what.Target, answer)
		}
		switch {
		case problem == "":
			return now.UTC(), nil
		case now.After(deadline):
			return time.Time{}, fmt.Errorf("no correct answer within %v; last: %s", what.Timeout, problem)
		}
		select {
		case <-ctx.Done():
			return time.Time{}, context.Cause(ctx)
		case <-time.After(pollInterval):
		}
	}
}

func mismatch(want lab.Target, got lab.Answer) string {
	switch {
	case got.Status != want.Status:
		return fmt.Sprintf("status %d instead of %d", got.Status, want.Status)
	case len(want.Body) > 0 && !bytes.Equal(got.Body, want.Body):
		return fmt.Sprintf("body %q instead of %q", got.Body, want.Body)
	}
	return ""
}

const (
	sendTimeout   = 10 * time.Second
	maxUnanswered = 3 // requests in a row without an answer, after which a server is asked no more
)

func sendAll(ctx context.Context, baseURL string, requests []lab.Request) []lab.Answer {
	client := newPlainClient()
	client.Timeout = sendTimeout
	defer client.CloseIdleConnections()
	answers := make([]lab.Answer, len(requests))
	silent := 0
	for i, r := range requests {
		if silent == maxUnanswered {
			answers[i] = lab.Answer{Error: fmt.Sprintf("not asked: %d requests in a row got no answer", maxUnanswered)}
			continue
		}
		if answers[i] = sendRequest(ctx, client, baseURL, r); answers[i].Error != "" {
			silent++
		} else {
			silent = 0
		}
	}
	return answers
}

// maxAnswerBody is the bytes that an answer may have which is looked at: a server that
// never stops talking must not take the generator's memory.
const maxAnswerBody = 16 << 20

// newPlainClient is a client that shows what the server said and nothing of its own:
// no redirects followed, no compression asked for.
func newPlainClient() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:        (&net.Dialer{}).DialContext,
			DisableCompression: true,
		},
	}
}

func sendRequest(ctx context.Context, client *http.Client, base string, r lab.Request) lab.Answer {
	req, err := http.NewRequestWithContext(ctx, r.Method, base+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return lab.Answer{Error: err.Error()}
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	if strings.EqualFold(req.Header.Get("Transfer-Encoding"), "chunked") {
		// net/http chunks bodies whose length it is not told, and no others.
		req.Header.Del("Transfer-Encoding")
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(r.Body)), -1
	}
	resp, err := client.Do(req)
	if err != nil {
		return lab.Answer{Error: err.Error()}
	}
	defer resp.Body.Close()
	var body []byte
	// what follows is another protocol's, and may never end
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswerBody+1))
	}
	if err == nil && len(body) > maxAnswerBody {
		err = fmt.Errorf("it has more than %d MiB", maxAnswerBody>>20)
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
