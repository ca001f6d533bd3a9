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

// server answers in a time; from the 20th request on, where it fails, every second
// request gets a 503 at once.
func server(t *testing.T, takes time.Duration, fails bool) (url string) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n := asked.Add(1); fails && n > 20 && n%2 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		time.Sleep(takes)
		_, _ = w.Write([]byte("hello"))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// measured are the rows of a variant whose server is attacked once. A success costs
// it so much CPU time, and a failure nothing.
func measured(t *testing.T, variant, url string, kind lab.PhaseKind, cpu time.Duration) (rows []metric.Row) {
	t.Helper()
	const rate = 60
	got, err := attack.Run(t.Context(), lab.Attack{
		Name: variant, BaseURL: url, Kind: kind, Connections: 16,
		Duration: 800 * time.Millisecond, Timeout: 5 * time.Second,
		Rate: []lab.Stage{{FromRPS: rate, ToRPS: rate, Duration: time.Hour}}, Arrivals: lab.Constant,
		Targets: []lab.Target{{
			Request: lab.Request{Method: "GET", Path: "/"}, Status: http.StatusOK, Body: []byte("hello"),
		}},
	}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := lab.Sample{
		Trial: lab.Trial{Variant: variant, Attempt: 1}, Scenario: lab.Scenario{Name: "json"},
		Phase: lab.Phase{Kind: kind, RateRPS: rate}, Layout: lab.Layout{Server: []int{0}},
		Attack:      &got,
		ServerUsage: lab.ServerUsage{Known: true, After: lab.Usage{CPU: time.Duration(got.Succeeded) * cpu}},
		Gate:        lab.GateResult{Validity: lab.Valid},
	}
	for b := range blocks {
		r := metric.RowOf(s)
		withFinding(r, metric.Row{"block": metric.Int(int64(b + 1))})
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

// From attack to verdict: a server that answers 503 at once to every second request
// wins no claim about latency, throughput or CPU, whether its successes are better
// than the other's or not; where they are worse, failing does not save it from losing.
func TestAServerThatFailsFastWinsNothing(t *testing.T) {
	const sound, failing = "node/single", "python/uvloop"
	for _, loop := range []struct {
		kind    lab.PhaseKind
		latency []string
	}{
		{lab.Peak, []string{"latency_raw_p50_ms", "first_byte_p50_ms"}},
		{lab.Steady, []string{"latency_p50_ms", "latency_mean_ms", "latency_raw_p50_ms"}},
	} {
		want := measured(t, sound, server(t, 100*time.Millisecond, false), loop.kind, 2*time.Millisecond)
		for _, other := range []struct {
			takes, cpu time.Duration
			loses      bool
		}{{140 * time.Millisecond, 3 * time.Millisecond, true}, {40 * time.Millisecond, time.Millisecond, false}} {
			rows := append(measured(t, failing, server(t, other.takes, true), loop.kind, other.cpu), want...)
			for _, name := range append(loop.latency, "cpu_us_per_request", "throughput_rps") {
				h := hypothesis(lab.Lower)
				if name == "throughput_rps" {
					h.Direction = lab.Higher
				}
				h.Metric = name
				h.Numerator = lab.Arm{Variant: failing, Phase: string(loop.kind)}
				h.Denominator = lab.Arm{Variant: sound, Phase: string(loop.kind)}
				v := judge(t, h, rows)
				what := fmt.Sprintf("%s, successes in %v: %s: %s (%s)", loop.kind, other.takes, name, v.Finding, v.Reason)
				if v.Finding == lab.Supported {
					t.Errorf("%s: failing wins", what)
				}
				// How many rounds fit into so short a closed loop is for the machine to say.
				open := loop.kind.IsOpenLoop() || name != "throughput_rps"
				if other.loses && open && v.Finding != lab.Refuted {
					t.Errorf("%s: failing saves it from losing", what)
				}
				if !strings.Contains(v.Reason, "% of requests failed") {
					t.Errorf("%s: the reason does not say so", what)
				}
			}
		}
	}
}
