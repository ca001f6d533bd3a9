package record_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"runtimelab/lab"
)

// hitsSample returns a sample of a phase in a scenario with two requests.
func hitsSample(phase lab.Phase) lab.Sample {
	return lab.Sample{
		Subject: lab.Subject{
			Scenario: lab.Scenario{
				Name:     "json",
				Requests: []lab.Request{{Method: "GET", Path: "/a"}, {Method: "POST", Path: "/b", Body: []byte("xyz")}},
			},
			Variant: lab.Variant{Runtime: "node", Name: "single"},
			Trial:   lab.Trial{Cores: 2, Block: 2, Attempt: 1},
		},
		Phase: phase,
	}
}

func TestVegetaReadsTheHits(t *testing.T) {
	_, run := create(t)
	at := time.Date(2026, 11, 24, 1, 2, 3, 4, time.UTC)
	phase := lab.Phase{ // its requests replace the scenario's
		Name: "steady-50%", Kind: lab.Steady,
		Requests: []lab.Request{{Method: "GET", Path: "/own"}, {Method: "POST", Path: "/b", Body: []byte("xyz")}},
	}
	path, err := run.AddHits(hitsSample(phase), func(each func([]lab.Hit) error) error {
		return errors.Join(
			each([]lab.Hit{{Seq: 1, SentAt: at, Latency: time.Millisecond, TargetIndex: 1, Status: 200, BytesIn: 7}}),
			each([]lab.Hit{
				{Seq: 0, SentAt: at, Latency: time.Second, TargetIndex: 0, Error: "refused"},
				{Seq: 2, SentAt: at, TargetIndex: 2},
				{Seq: 3, SentAt: at, TargetIndex: -1},
			}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(run.Dir(), "raw", "json_node-single_c2_b2_a1_steady-50%.bin"); path != want {
		t.Errorf("written to %s, want %s", path, want)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	decode := vegeta.DecoderFor(f) // as vegeta report detects the encoding
	if decode == nil {
		t.Fatal("Vegeta does not recognise the encoding")
	}
	want := []vegeta.Result{
		{
			Attack: "json node/single", Seq: 1, Code: 200, Timestamp: at, Latency: time.Millisecond, BytesIn: 7,
			BytesOut: 3, Method: "POST", URL: "/b",
		},
		{
			Attack: "json node/single", Seq: 0, Timestamp: at, Latency: time.Second, Error: "refused", Method: "GET",
			URL: "/own",
		},
		// The phase has no such request, so method and URL are unknown.
		{Attack: "json node/single", Seq: 2, Timestamp: at},
		{Attack: "json node/single", Seq: 3, Timestamp: at},
	}
	for i := range want {
		var got vegeta.Result
		if err := decode(&got); err != nil {
			t.Fatal(err)
		}
		if !got.Equal(want[i]) {
			t.Errorf("result %d is %+v, want %+v", i, got, want[i])
		}
	}
	if err := decode(&vegeta.Result{}); !errors.Is(err, io.EOF) {
		t.Errorf("after the last result: %v", err)
	}
}

func TestEveryAttackHasItsOwnFileOfHits(t *testing.T) {
	_, run := create(t)
	noHits := func(func([]lab.Hit) error) error { return nil }
	seen := map[string]bool{}
	for _, phase := range []lab.Phase{
		{Name: "peak-64", Kind: lab.Peak},
		{Name: "peak-128", Kind: lab.Peak},
		{Name: "steady-50%", Kind: lab.Steady},
		{Kind: lab.Steady},
	} {
		for attempt := 1; attempt <= 2; attempt++ {
			s := hitsSample(phase)
			s.Trial.Attempt = attempt
			path, err := run.AddHits(s, noHits)
			if err != nil || seen[path] {
				t.Errorf("written to %s, a second time: %t, error %v", path, seen[path], err)
			}
			seen[path] = true
		}
	}
}

func TestHitsThatCannotBeReadLeaveNoFile(t *testing.T) {
	_, run := create(t)
	broken := errors.New("the cell ended")
	read := func(func([]lab.Hit) error) error { return broken }
	if _, err := run.AddHits(hitsSample(lab.Phase{Kind: lab.Peak}), read); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	files, err := os.ReadDir(filepath.Join(run.Dir(), "raw"))
	if err != nil || len(files) > 0 {
		t.Errorf("raw/ holds %v, error %v; want no file", files, err)
	}
}
