package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/fault"
)

// twoCores returns the files of a machine with two plain cores.
func twoCores() fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	return fstest.MapFS{
		"proc/net/dev": file("Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 0 0 0\n"),
		"proc/cpuinfo": file("processor\t: 0\nmodel name\t: Some CPU\n"),
		"proc/meminfo": file("MemTotal:       24681056 kB\nMemFree: 1 kB\n"),
		"proc/stat": file("cpu  30 0 30 30 30 30 30 30 0 0\n" +
			"cpu0 1 2 3 4 5 6 7 8 0 0\n" +
			"cpu1 10 20 30 40 50 60 70 80 5 5\nintr 1 2 3\n"),
		"proc/sys/net/core/somaxconn":                               file("4096\n"),
		"proc/sys/net/ipv4/ip_local_port_range":                     file("1024\t65535\n"),
		"sys/devices/system/cpu/cpu0/topology/physical_package_id":  file("0\n"),
		"sys/devices/system/cpu/cpu0/topology/thread_siblings_list": file("0,2\n"),
		"sys/devices/system/cpu/cpu1/topology/thread_siblings_list": file("1-1\n"),
		"sys/devices/system/cpu/cpu1/cpu_capacity":                  file("512\n"),
	}
}

// machine returns a Machine with these files and fixed readings of everything else.
func machine(root fstest.MapFS) Machine {
	return Machine{
		root:          root,
		startedAt:     time.Unix(0, 0),
		clock:         tickingClock(),
		affinity:      func() ([]int, error) { return []int{0, 1}, nil },
		processUsage:  func() (time.Duration, int64, error) { return time.Second, 3, nil },
		kernelRelease: func() (string, error) { return "6.1", nil },
		nofile:        func() (int, error) { return 20000, nil },

		pin:        func(int) error { return nil },
		threadTime: func() (time.Duration, error) { return time.Second, nil },
		services:   inService("server", "5e"),

		setSlice:     func(time.Duration) error { return nil },
		longestSlice: func() (time.Duration, error) { return 0, nil },
	}
}

// inService returns the services of a cell: each has a name and the id of its container.
func inService(namesAndIDs ...string) *services {
	var told []Service
	for pair := range slices.Chunk(namesAndIDs, 2) {
		told = append(told, Service{Name: pair[0], ContainerID: pair[1]})
	}
	s := new(services)
	s.told.Store(&told)
	return s
}

// tickingClock returns a clock that advances by a second at each reading and was set forward by
// three seconds.
func tickingClock() func() (time.Time, time.Duration) {
	var since time.Duration
	return func() (time.Time, time.Duration) {
		since += time.Second
		return time.Unix(3, 0).Add(since), since
	}
}

// startAgent starts an agent and returns a client of it. hangUp ends the agent's input; ended
// receives what Serve returns.
func startAgent(t *testing.T) (c *Client, hangUp func(), ended <-chan error) {
	t.Helper()
	return startAgentOn(t, machine(twoCores()))
}

func startAgentOn(t *testing.T, m Machine) (c *Client, hangUp func(), ended <-chan error) {
	t.Helper()
	toAgent, fromLab := io.Pipe()
	toLab, fromAgent := io.Pipe()
	done := make(chan error, 1)
	m.spool = t.TempDir()
	go func() {
		done <- Serve(context.Background(), toAgent, fromAgent, m)
		fromAgent.Close()
	}()
	t.Cleanup(func() { fromLab.Close() })
	return NewClient(fault.Generator, fromLab, toLab), func() { fromLab.Close() }, done
}

func TestProbeDescribesTheCell(t *testing.T) {
	c, _, _ := startAgent(t)
	got, err := c.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.CPUs) != 2 || len(got.CPUs[0].Siblings) != 2 || got.CPUs[0].Siblings[1] != 2 ||
		len(got.CPUs[1].Siblings) != 1 {
		t.Errorf("CPUs %+v", got.CPUs)
	}
	if got.CPUs[0].Capacity != 1024 || got.CPUs[1].Capacity != 512 {
		t.Errorf("capacities of %+v", got.CPUs)
	}
	if got.CPUModel != "Some CPU" || got.Kernel != "6.1" || got.Nofile != 20000 ||
		got.MemoryBytes != 24681056*1024 {
		t.Errorf("model %q, kernel %q, memory %d", got.CPUModel, got.Kernel, got.MemoryBytes)
	}
	if got.Sysctls["net.core.somaxconn"] != 4096 || got.Sysctls["net.ipv4.ip_local_port_range.last"] != 65535 {
		t.Errorf("sysctls %v", got.Sysctls)
	}
}

func TestAgentRefusesANamespaceWithMoreThanLoopback(t *testing.T) {
	root := twoCores()
	root["proc/net/dev"] = &fstest.MapFile{Data: []byte("    lo: 0\n  eth0: 0\n")}
	err := Serve(t.Context(), strings.NewReader(""), io.Discard, machine(root))
	if err == nil || !strings.Contains(err.Error(), "eth0") {
		t.Errorf("error %v does not name eth0", err)
	}
}

func TestAgentEndsWithItsInputEvenDuringAnAttack(t *testing.T) {
	var hits atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer server.Close()
	c, hangUp, ended := startAgent(t)
	go func() {
		_, _ = c.Attack(context.Background(), lab.Attack{
			Name: "endless", BaseURL: server.URL, Generator: lab.EventLoop, Kind: lab.Peak, Connections: 1,
			Targets:  []lab.Target{{Request: lab.Request{Method: "GET", Path: "/"}, Status: 200}},
			Duration: time.Hour, Timeout: time.Second,
		})
	}()
	for hits.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	hangUp()
	if err := <-ended; err != nil {
		t.Errorf("error %v at the end of input, want none", err)
	}
}

func TestAttackReadsTheMachineBeforeAndAfter(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	c, _, _ := startAgent(t)
	got, err := c.Attack(t.Context(), lab.Attack{
		Name: "short", BaseURL: server.URL, Generator: lab.EventLoop, Kind: lab.Steady, Connections: 2,
		Rate:     []lab.Stage{{FromRPS: 200, ToRPS: 200, Duration: time.Second}},
		Targets:  []lab.Target{{Request: lab.Request{Method: "GET", Path: "/"}, Status: 200}},
		Duration: 200 * time.Millisecond, Timeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !got.After.At.After(got.Before.At) || len(got.After.CPUs) != 2 || len(got.GeneratorCPUs) != 2 {
		t.Errorf("readings %+v and %+v on %v", got.Before, got.After, got.GeneratorCPUs)
	}
	if got.Succeeded == 0 || got.Corrected == nil || len(got.Corrected.HDR) == 0 {
		t.Errorf("the result lost values on its way to the client: %+v", got)
	}
}

// Kept hits stay in the cell until the attack is over, and are then read in chunks.
func TestHitsAreReadAfterTheAttack(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	c, _, _ := startAgent(t)
	a := lab.Attack{
		Name: "kept", BaseURL: server.URL, Generator: lab.EventLoop, Kind: lab.Peak, Connections: 2, KeepHits: true,
		Targets:  []lab.Target{{Request: lab.Request{Method: "GET", Path: "/"}, Status: 200}},
		Duration: 300 * time.Millisecond, Timeout: time.Second,
	}
	count := func() (n int64, err error) {
		return n, c.ReadHits(t.Context(), func(hits []lab.Hit) error {
			n += int64(len(hits))
			return nil
		})
	}
	for range 2 {
		got, err := c.Attack(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := count(); err != nil || n != got.Sent || n == 0 {
			t.Errorf("read %d hits of %d, error %v", n, got.Sent, err)
		}
	}
	a.KeepHits = false
	if _, err := c.Attack(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if n, err := count(); err == nil {
		t.Errorf("read %d hits of an attack that kept none", n)
	}
}

func TestASpoolIsReadInChunks(t *testing.T) {
	m := machine(twoCores())
	m.spool = t.TempDir()
	w, err := m.openSpool(true)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("0123456789"), spoolChunkSize/4)
	if _, err := w.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for {
		p, err := m.ReadSpool(int64(len(got)))
		if err != nil {
			t.Fatal(err)
		}
		if len(p) == 0 {
			break
		}
		got = append(got, p...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("read %d bytes of %d", len(got), len(want))
	}
}

func TestSideRequestIsAnsweredDuringAnAttack(t *testing.T) {
	var hits, hitsBefore atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/identity" {
			fmt.Fprintf(w, "after %d", hits.Load())
			hitsBefore.Store(hits.Load())
			return
		}
		hits.Add(1)
	}))
	defer server.Close()
	c, _, _ := startAgent(t)
	a := lab.Attack{
		Name: "with a side request", BaseURL: server.URL, Generator: lab.EventLoop, Kind: lab.Peak, Connections: 2,
		Targets:  []lab.Target{{Request: lab.Request{Method: "GET", Path: "/"}, Status: 200}},
		Duration: 400 * time.Millisecond, Timeout: time.Second,
		SideRequest: &lab.Request{Method: "GET", Path: "/identity"},
	}
	got, err := c.Attack(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if got.SideAnswer == nil || got.SideAnswer.Status != 200 ||
		string(got.SideAnswer.Body) != fmt.Sprintf("after %d", hitsBefore.Load()) {
		t.Fatalf("side answer %+v", got.SideAnswer)
	}
	if n := hitsBefore.Load(); n == 0 || n >= got.Sent {
		t.Errorf("the side request was answered after %d of %d hits", n, got.Sent)
	}
}

func TestCanariesRunOnEveryCPUAtOnce(t *testing.T) {
	m := machine(twoCores())
	var mu sync.Mutex
	pinned := map[int]bool{}
	m.pin = func(cpu int) error {
		mu.Lock()
		defer mu.Unlock()
		pinned[cpu] = true
		return nil
	}
	var calls atomic.Int64
	m.threadTime = func() (time.Duration, error) { return time.Duration(calls.Add(1)), nil }
	got, err := m.RunCanaries(t.Context(), []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].CPU != 0 || got[1].CPU != 1 || !pinned[0] || !pinned[1] {
		t.Errorf("canaries %+v, threads moved to %v", got, pinned)
	}
	for _, c := range got {
		if c.WallTime <= 0 || c.ThreadCPUTime <= 0 {
			t.Errorf("canary %+v", c)
		}
	}
	m.pin = func(cpu int) error { return fmt.Errorf("no CPU %d", cpu) }
	if _, err := m.RunCanaries(t.Context(), []int{0}); err == nil {
		t.Error("a canary ran although its thread could not be pinned")
	}
}

func TestAwaitWaitsForTheCorrectAnswer(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) {
		case 1:
			w.WriteHeader(503)
		case 2:
			_, _ = io.WriteString(w, "starting")
		default:
			_, _ = io.WriteString(w, "ready")
		}
	}))
	defer server.Close()
	c, _, _ := startAgent(t)
	target := lab.Target{Request: lab.Request{Method: "GET", Path: "/"}, Status: 200, Body: []byte("ready")}
	before := time.Now()
	at, err := c.AwaitFirstAnswer(t.Context(),
		AwaitRequest{BaseURL: server.URL, Target: target, Timeout: time.Minute})
	if err != nil || n.Load() != 3 || at.Before(before.Add(-time.Second)) {
		t.Errorf("at %v after %d requests, error %v", at, n.Load(), err)
	}

	target.Body = []byte("never")
	_, err = c.AwaitFirstAnswer(t.Context(),
		AwaitRequest{BaseURL: server.URL, Target: target, Timeout: 20 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), `"ready" instead of "never"`) {
		t.Errorf("error %v does not say what the server answered", err)
	}
}

func TestSendReturnsAnswersAsTheyWereSent(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Method+" "+r.Header.Get("X-Ask"))
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		_, _ = w.Write(append(body, 0xff, 0x00))
	}))
	defer server.Close()
	c, _, _ := startAgent(t)
	got, err := c.Send(t.Context(), server.URL, []lab.Request{
		{Method: "POST", Path: "/", Header: map[string]string{"X-Ask": "a"}, Body: []byte{1, 2}},
		{Method: "GET", Path: "/moved"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(got[0].Body) != "\x01\x02\xff\x00" || got[0].Header["x-seen"] != "POST a" {
		t.Errorf("first answer %+v", got[0])
	}
	if got[1].Status != 302 {
		t.Errorf("a redirect was followed: %+v", got[1])
	}
}

// Informational answers are skipped, and an answer without a body is complete at once.
func TestSendReadsAnswersWithoutABody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hints":
			w.WriteHeader(http.StatusEarlyHints)
			_, _ = io.WriteString(w, "final")
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/unchanged":
			w.WriteHeader(http.StatusNotModified)
		case "/switch":
			c, in, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(c,
				"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n")
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			_, _ = in.ReadByte() // the connection stays open until the client closes it
			_ = c.Close()
		}
	}))
	defer server.Close()
	c, _, _ := startAgent(t)
	var requests []lab.Request
	for _, path := range []string{"/hints", "/empty", "/unchanged", "/switch", "/hints"} {
		requests = append(requests, lab.Request{Method: "GET", Path: path})
	}
	got, err := c.Send(t.Context(), server.URL, requests)
	if err != nil {
		t.Fatal(err)
	}
	var answers []string
	for _, a := range got {
		answers = append(answers, fmt.Sprintf("%d %s%s", a.Status, a.Body, a.Error))
	}
	if want := []string{"200 final", "204 ", "304 ", "101 ", "200 final"}; !slices.Equal(answers, want) {
		t.Errorf("got %q, want %q", answers, want)
	}
}

func TestSendStreamsAChunkedBody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%v %d %s", r.TransferEncoding, r.ContentLength, body)
	}))
	defer server.Close()
	c, _, _ := startAgent(t)
	got, err := c.Send(t.Context(), server.URL, []lab.Request{
		{Method: "POST", Path: "/", Header: map[string]string{"transfer-encoding": "chunked"}, Body: []byte("abc")},
		{Method: "POST", Path: "/", Body: []byte("abc")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(got[0].Body) != "[chunked] -1 abc" || string(got[1].Body) != "[] 3 abc" {
		t.Errorf("the server received %q and %q", got[0].Body, got[1].Body)
	}
}

func TestClientReportsThatTheCellEnded(t *testing.T) {
	c, hangUp, ended := startAgent(t)
	hangUp()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	_, err := c.Probe(t.Context())
	if err == nil {
		t.Error("a cell that has ended replied")
	}
}

func TestErrorsOfAClientNameTheAgentsParty(t *testing.T) {
	silent, _ := io.Pipe()
	broken := errors.New("broken pipe")
	interrupted, interrupt := context.WithCancelCause(t.Context())
	interrupt(fault.By(fault.User, errors.New("interrupted")))
	probe := func(ctx context.Context, c *Client) error {
		_, err := c.Probe(ctx)
		return err
	}
	send := func(ctx context.Context, c *Client) error {
		_, err := c.Send(ctx, "", nil)
		return err
	}
	await := func(ctx context.Context, c *Client) error {
		_, err := c.AwaitFirstAnswer(ctx, AwaitRequest{})
		return err
	}
	replying := func(line string) *Client {
		return NewClient(fault.Generator, io.Discard, strings.NewReader(line))
	}
	for name, c := range map[string]struct {
		client *Client
		ctx    context.Context
		call   func(context.Context, *Client) error
		want   fault.Party
	}{
		"the cell has ended": {replying(""), t.Context(), probe, fault.Generator},
		"its stream cannot be written": {
			NewClient(fault.Generator, writerFunc(func([]byte) (int, error) { return 0, broken }), silent),
			t.Context(), probe, fault.Generator,
		},
		"its stream breaks": {
			NewClient(fault.Generator, io.Discard, iotest.ErrReader(broken)), t.Context(), probe, fault.Generator,
		},
		"it replies nonsense":           {replying(`{"id":1,"result":7}`), t.Context(), probe, fault.Generator},
		"it replies to another request": {replying(`{"id":9,"result":{}}`), t.Context(), probe, fault.Generator},
		"it reports an error":           {replying(`{"id":1,"error":"no"}`), t.Context(), probe, fault.Generator},
		"its answers cannot be read": {
			replying(`{"id":1,"result":{"answers":"AA=="}}`), t.Context(), send, fault.Generator,
		},
		"the user interrupts": {
			NewClient(fault.Generator, io.Discard, silent), interrupted, probe, fault.User,
		},
		"its server gives no correct answer": {
			replying(`{"id":1,"error":"no correct answer within 30s"}`), t.Context(), await, fault.Party{},
		},
	} {
		err := c.call(c.ctx, c.client)
		if got := fault.PartyOf(err); err == nil || got != c.want {
			t.Errorf("%s: %v by %+v, want %+v", name, err, got, c.want)
		}
	}
	_, err := NewClient(fault.Lab, io.Discard, iotest.ErrReader(broken)).RunCanaries(t.Context(), nil)
	if got := fault.PartyOf(err); got != fault.Lab || !errors.Is(err, broken) {
		t.Errorf("a broken lease: %v by %+v", err, got)
	}
}

func TestCallEndsWithItsContext(t *testing.T) {
	c, _, _ := startAgent(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("changed my mind"))
	target := lab.Target{Request: lab.Request{Method: "GET", Path: "/"}, Status: 200}
	_, err := c.AwaitFirstAnswer(ctx,
		AwaitRequest{BaseURL: "http://127.0.0.1:1", Target: target, Timeout: time.Hour})
	if err == nil || err.Error() != "changed my mind" {
		t.Errorf("error %v", err)
	}
}

// One cell serves all trials: the reply to a cancelled call must not be taken for the reply to the
// next one.
func TestLateReplyIsIgnored(t *testing.T) {
	output, cell := io.Pipe()
	sent := make(chan struct{}, 2)
	c := NewClient(fault.Lab, writerFunc(func(p []byte) (int, error) {
		sent <- struct{}{}
		return len(p), nil
	}), output)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-sent
		cancel()
	}()
	if _, err := c.RunCanaries(ctx, []int{0}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	go fmt.Fprint(cell, `{"id":1,"result":[{"cpu":1}]}`, `{"id":2,"result":[{"cpu":2}]}`)
	canaries, err := c.RunCanaries(t.Context(), []int{0})
	if err != nil || len(canaries) != 1 || canaries[0].CPU != 2 {
		t.Errorf("%v, %v", canaries, err)
	}
	go fmt.Fprint(cell, `{"id":4,"result":[]}`)
	const want = "replied to request 4 instead of 3 (canary)"
	if _, err := c.RunCanaries(t.Context(), []int{0}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }

func TestParseStat(t *testing.T) {
	got, err := parseStat(twoCores()["proc/stat"].Data)
	if err != nil {
		t.Fatal(err)
	}
	want := account.CPUTime{
		ID: 1, Busy: 190 * clockTick, Idle: 90 * clockTick, Steal: 80 * clockTick,
		Interrupts: 130 * clockTick,
	}
	if len(got) != 2 || got[1] != want {
		t.Errorf("read %+v; the second must be %+v", got, want)
	}
	if _, err := parseStat([]byte("cpu 1 2 3\n")); err == nil {
		t.Error("a file without CPUs was read without an error")
	}
}

func TestReadCPUList(t *testing.T) {
	root := fstest.MapFS{}
	for text, want := range map[string]int{"0-2,5\n": 4, "7": 1, "": 0, "x-y": 0} {
		root["list"] = &fstest.MapFile{Data: []byte(text)}
		if got := machine(root).readCPUList("list"); len(got) != want {
			t.Errorf("%q reads as %v, want %d CPUs", text, got, want)
		}
	}
}

// A server that hangs would otherwise cost hundreds of timeouts.
func TestSendStopsAfterThreeUnansweredRequests(t *testing.T) {
	var sent atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if n := sent.Add(1); n != 3 { // the third answer restarts the count
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	requests := slices.Repeat([]lab.Request{{Method: "POST", Path: "/"}}, 9)
	answers := Machine{}.Send(t.Context(), server.URL, requests)
	if sent.Load() != 6 {
		t.Errorf("sent %d requests, want 6", sent.Load())
	}
	if answers[2].Error != "" || !strings.Contains(answers[6].Error, "not sent") ||
		!strings.Contains(answers[8].Error, "not sent") {
		t.Errorf("answers %+v", answers)
	}
}
