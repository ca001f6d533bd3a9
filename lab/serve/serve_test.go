package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"runtimelab/lab"
)

// startResponder runs the responder of a command line and returns its address.
func startResponder(t *testing.T, args ...string) (address string) {
	t.Helper()
	r, err := parseResponder(args)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.serve(ctx, l.(*net.TCPListener)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func skipWithoutEpoll(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this responder needs epoll")
	}
}

func TestEveryResponderAnswersTheTarget(t *testing.T) {
	skipWithoutEpoll(t)
	for _, args := range [][]string{
		{"null"},
		{"reference", "-iterations=10"},
		{"burn", "-iterations=10"},
		{"virtual", "-cores=2", "-service=1ms"},
		{"waiting", "-delay=1ms"},
		{"stalling", "-period=1h", "-stall=1s"},
	} {
		address := startResponder(t, args...)
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				client := &http.Client{Transport: &http.Transport{}}
				defer client.CloseIdleConnections()
				for i := range 20 {
					method, sent := "GET", ""
					if i%2 == 1 {
						method, sent = "POST", strings.Repeat("x", i*5000)
					}
					req, err := http.NewRequest(method, "http://"+address+"/", strings.NewReader(sent))
					if err != nil {
						t.Error(err)
						return
					}
					req.Close = i%5 == 4
					resp, err := client.Do(req)
					if err != nil {
						t.Errorf("%v: %v", args, err)
						return
					}
					body, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || resp.StatusCode != Target().Status || !bytes.Equal(body, Target().Body) {
						t.Errorf("%v answered %d %q, error %v", args, resp.StatusCode, body, err)
					}
				}
			})
		}
		clients.Wait()
	}
}

// Requests may arrive in pieces or several at once.
func TestNullAnswersEachRequestOnce(t *testing.T) {
	skipWithoutEpoll(t)
	address := startResponder(t, "null")
	rapid.Check(t, func(t *rapid.T) {
		var sent bytes.Buffer
		requests := rapid.IntRange(1, 20).Draw(t, "requests")
		for range requests {
			body := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "body")
			if len(body) == 0 {
				sent.WriteString("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			} else {
				fmt.Fprintf(&sent, "POST / HTTP/1.1\r\nHost: x\r\ncontent-length: %d\r\n\r\n%s", len(body), body)
			}
		}
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for sent.Len() > 0 {
			if _, err := c.Write(sent.Next(rapid.IntRange(1, 400).Draw(t, "piece"))); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answers, err := io.ReadAll(c)
		if err != nil || len(answers) != requests*len(plainAnswer) {
			t.Fatalf("%d bytes for %d requests, want %d; error %v", len(answers), requests,
				requests*len(plainAnswer), err)
		}
	})
}

func TestNullClosesAConnectionThatAsksForIt(t *testing.T) {
	skipWithoutEpoll(t)
	c, err := net.Dial("tcp", startResponder(t, "null"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(c); err != nil || !bytes.Equal(all, plainAnswer) {
		t.Errorf("%q, error %v", all, err)
	}
}

// fetchJSON sends a request and decodes the answer.
func fetchJSON[T any](t *testing.T, method, url string) (v T) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestReferenceMeasuresItsServiceTimes(t *testing.T) {
	skipWithoutEpoll(t)
	medians := map[int]time.Duration{}
	for _, iterations := range []int{1000, 3_000_000} {
		url := "http://" + startResponder(t, "reference", fmt.Sprintf("-iterations=%d", iterations))
		began := time.Now()
		for range 9 {
			resp, err := http.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		all := time.Since(began)
		s := fetchJSON[lab.ServiceTimes](t, "GET", url+lab.ServiceTimesPath)
		if s.Count != 9 || s.Median <= 0 || s.P99 < s.Median || s.Max < s.P99 || s.Mean*9 > all {
			t.Errorf("%+v of 9 requests in %v", s, all)
		}
		medians[iterations] = s.Median
		if s := fetchJSON[lab.ServiceTimes](t, "DELETE", url+lab.ServiceTimesPath); s.Count != 0 {
			t.Errorf("%d requests are left after a reset", s.Count)
		}
	}
	if medians[3_000_000] <= medians[1000] {
		t.Errorf("three thousand times the work took %v instead of %v", medians[3_000_000], medians[1000])
	}
}

// A control relies on this ratio of their work.
func TestReferencesHaveTheirRatio(t *testing.T) {
	var ids []string
	var steps []int
	for _, v := range References() {
		ids = append(ids, v.ID())
		var n int
		command := strings.Join(v.Command, " ")
		if _, err := fmt.Sscanf(command, "/agent serve reference -iterations=%d", &n); err != nil {
			t.Fatal(err, v.Command)
		}
		steps = append(steps, n)
	}
	if !slices.Equal(ids, []string{lab.LightReference, lab.HeavyReference}) {
		t.Errorf("the references are %v", ids)
	}
	if light, heavy := float64(steps[0]), float64(steps[1]); heavy != light*lab.ReferenceRatio {
		t.Errorf("%v steps to %v have the ratio %v instead of %v", heavy, light, heavy/light, lab.ReferenceRatio)
	}
	if id := Burn().ID(); id != lab.BurnVariant {
		t.Errorf("the burn is %s", id)
	}
}

func TestWaitingAnswersManyAtOnce(t *testing.T) {
	url := "http://" + startResponder(t, "waiting", "-delay=200ms")
	began := time.Now()
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			resp, err := http.Get(url)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	clients.Wait()
	if took := time.Since(began); took < 200*time.Millisecond || took > 20*200*time.Millisecond/2 {
		t.Errorf("20 concurrent requests of 200ms each took %v", took)
	}
}

func TestStallingReportsItsStalls(t *testing.T) {
	url := "http://" + startResponder(t, "stalling", "-period=300ms", "-stall=150ms")
	var longest time.Duration
	for began := time.Now(); time.Since(began) < 700*time.Millisecond; {
		sent := time.Now()
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		longest = max(longest, time.Since(sent))
	}
	stalls := fetchJSON[[]Stall](t, "GET", url+StallsPath)
	if len(stalls) < 1 || longest < 100*time.Millisecond {
		t.Fatalf("stalls %v, longest answer %v", stalls, longest)
	}
	for _, s := range stalls {
		if s.To.Sub(s.From) < 140*time.Millisecond {
			t.Errorf("a stall of %v from %v", s.To.Sub(s.From), s.From)
		}
	}
}

func TestParseResponderAcceptsTheCommandsOfVariants(t *testing.T) {
	for _, command := range [][]string{
		Null().Command,
		Reference("slow", 5).Command,
		Waiting(time.Second).Command,
		Stalling(time.Minute, time.Second).Command,
		Upstream().Command,
		Burn().Command,
		Virtual(16, 20*time.Millisecond, 0.05, 0.002).Command,
	} {
		if command[0] != "/agent" || command[1] != "serve" {
			t.Fatalf("command %v", command)
		}
		if _, err := parseResponder(command[2:]); err != nil {
			t.Errorf("%v: %v", command, err)
		}
	}
}

func TestParseResponderRefusesInvalidCommands(t *testing.T) {
	for _, wrong := range [][]string{
		nil,
		{"nul"},
		{"reference"},
		{"reference", "-iterations=x"},
		{"waiting"},
		{"stalling", "-period=1s", "-stall=2s"},
		{"burn"},
		{"virtual", "-cores=2"},
		{"virtual", "-service=1ms"},
		{"virtual", "-cores=2", "-service=1ms", "-sigma=-1"},
		{"virtual", "-cores=2", "-service=1ms", "-kappa=NaN"},
	} {
		if _, err := parseResponder(wrong); err == nil {
			t.Errorf("%v was accepted", wrong)
		}
	}
}
