package verdict_test

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/attack"
	"runtimelab/lab/metric"
)

// server starts a server that answers after a time and returns its URL. If it fails, every second
// request gets a 503 at once, from the 20th request on.
func server(t *testing.T, takes time.Duration, fails bool) (url string) {
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n := requests.Add(1); fails && n > 20 && n%2 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		time.Sleep(takes)
		_, _ = w.Write([]byte("hello"))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// attackRows attacks a server once and returns rows of a variant with noise added. A success costs
// CPU time, and a failure none.
func attackRows(t *testing.T, variant, url string, kind lab.PhaseKind, cpu time.Duration) []metric.Row {
	t.Helper()
	const rate = 60
	got, err := attack.Run(t.Context(), lab.Attack{
		Name: variant, BaseURL: url, Generator: lab.EventLoop, Kind: kind, Connections: 16,
		Duration: 800 * time.Millisecond, Timeout: 5 * time.Second,
		Rate: []lab.Stage{{FromRPS: rate, ToRPS: rate, Duration: time.Hour}}, Arrivals: lab.Constant,
		Targets: []lab.Target{{
			Request: lab.Request{Method: "GET", Path: "/"}, Status: http.StatusOK, Body: []byte("hello"),
		}},
	}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	phase, layout := lab.Phase{Kind: kind, RateRPS: rate}, lab.Layout{Server: []int{0}}
	used := time.Duration(got.Succeeded) * cpu
	s := lab.Sample{
		Subject: lab.Subject{
			Trial: lab.Trial{Variant: variant, Attempt: 1}, Scenario: lab.Scenario{Name: "json"}, Layout: layout,
		},
		Phase: phase,
		Measured: &lab.Window{Phase: phase, Layout: layout, Attack: got, Accounts: lab.Accounts{
			Server: lab.ServiceAccount{Container: &lab.ContainerAccount{CPU: &used}},
		}},
		Gate: lab.GateResult{Validity: lab.Valid},
	}
	var rows []metric.Row
	for b := range blocks {
		r := metric.RowOf(s)
		withColumns(r, metric.Row{"block": metric.Int(int64(b + 1))})
		for name, v := range r {
			x, _ := v.Float()
			m, _ := metric.Find(name)
			if m.Kind == metric.Float && m.Better != metric.Neither && name != "error_ratio" {
				r[name] = metric.Number(x * math.Exp(wobble[(b+len(variant))%blocks]))
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// A server that answers every second request with 503 at once must win no claim about latency,
// throughput or CPU, whether its successes are better than the other server's or not. If they are
// worse, it must lose in spite of its failures.
func TestAServerThatFailsFastWinsNothing(t *testing.T) {
	const sound, failing = "node/single", "python/uvloop"
	for _, loop := range []struct {
		kind    lab.PhaseKind
		latency []string
	}{
		{lab.Peak, []string{"latency_raw_p50_ms", "first_byte_p50_ms"}},
		{lab.Steady, []string{"latency_p50_ms", "latency_mean_ms", "latency_raw_p50_ms"}},
	} {
		want := attackRows(t, sound, server(t, 100*time.Millisecond, false), loop.kind, 2*time.Millisecond)
		for _, other := range []struct {
			takes, cpu time.Duration
			loses      bool
		}{{300 * time.Millisecond, 3 * time.Millisecond, true}, {40 * time.Millisecond, time.Millisecond, false}} {
			rows := append(attackRows(t, failing, server(t, other.takes, true), loop.kind, other.cpu), want...)
			for _, name := range append(loop.latency, "cpu_us_per_request", "throughput_rps") {
				h := hypothesis(lab.Lower)
				if name == "throughput_rps" {
					h.Direction = lab.Higher
				}
				h.Metric = name
				h.Numerator = lab.Arm{Variant: failing, Phase: string(loop.kind)}
				h.Denominator = lab.Arm{Variant: sound, Phase: string(loop.kind)}
				v := judge(t, h, rows)
				text := fmt.Sprintf("%s, successes in %v: %s: %s (%s)",
					loop.kind, other.takes, name, v.Finding, reasonOf(v))
				if v.Finding == lab.Supported {
					t.Errorf("%s: the failing server wins", text)
				}
				// The machine determines how many rounds fit into so short a closed loop.
				predictable := loop.kind.IsOpenLoop() || name != "throughput_rps"
				if other.loses && predictable && v.Finding != lab.Refuted {
					t.Errorf("%s: the failing server does not lose", text)
				}
				if !strings.Contains(reasonOf(v), "% of requests failed") {
					t.Errorf("%s: the reason does not name the failures", text)
				}
			}
		}
	}
}
