package cli

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"runtimelab/lab"
	"runtimelab/lab/experiment"
	"runtimelab/lab/fault"
	"runtimelab/lab/record"
	"runtimelab/lab/serve"
	"runtimelab/lab/session"
)

// inTestSession calls do in a session on the engine.
func inTestSession(t *testing.T, do func(ctx context.Context, s *session.Session)) {
	t.Helper()
	needEngine(t)
	err := session.Run(t.Context(), session.Options{Connect: connect, Log: io.Discard, Version: version()},
		func(s *session.Session) error {
			do(t.Context(), s)
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
}

func TestIntegrationCalibrationIsKeptAndUsed(t *testing.T) {
	needEngine(t)
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	code, stdout, stderr := labRun(t.Context(), "calibrate", "--brief", "--json")
	if code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	var c lab.Calibration
	if err := json.Unmarshal([]byte(stdout), &c); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	if c.CeilingRPS < 1000 || len(c.CanaryBaselines) != 2 || !c.Brief || c.Key.AgentSHA256 == "" {
		t.Errorf("calibration %+v", c)
	}
	for _, q := range c.CanaryBaselines {
		if q.Median <= 0 || q.P99 < q.Median {
			t.Errorf("canaries %+v", q)
		}
	}
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		t.Setenv("XDG_CACHE_HOME", cache)
		found, err := s.Calibration(ctx, lab.DefaultGenerator, true)
		if err != nil || !found.MeasuredAt.Equal(c.MeasuredAt) {
			t.Errorf("the calibration of %v was measured again at %v; error %v",
				c.MeasuredAt, found.MeasuredAt, err)
		}
	})
}

// measureUndisturbed repeats measurePhase, up to eight times, until the sample is not
// disturbed: other processes of the machine are not what is tested.
func measureUndisturbed(
	ctx context.Context, t *testing.T, s *session.Session, subj subject, a lab.Attack, c lab.Calibration,
) (sample lab.Sample) {
	t.Helper()
	for range 8 {
		if sample = measurePhase(ctx, t, s, subj, a, c); sample.Gate.Validity != lab.Disturbed {
			break
		}
		t.Logf("disturbed: %s", sample.Gate.Reason)
	}
	return sample
}

// A throughput that the generator or the clients limit is censored, with the reason.
func TestIntegrationInstrumentLimitsAreReported(t *testing.T) {
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		c, err := s.Calibration(ctx, lab.DefaultGenerator, true)
		if err != nil {
			t.Fatal(err)
		}
		c.CeilingRPS, c.CanaryBaselines = 1, nil // the null server surely reaches this ceiling
		null := responder(s, serve.Null())
		sample := measureUndisturbed(ctx, t, s, null, attackOn(null, 64, 0, time.Second), c)
		if g := sample.Gate; g.Validity != lab.Censored || !strings.HasPrefix(g.Reason, "generator:") {
			t.Errorf("a server faster than the generator: %s because %q", g.Validity, g.Reason)
		}
		c.CeilingRPS = 0
		waiting := responder(s, serve.Waiting(50*time.Millisecond))
		sample = measureUndisturbed(ctx, t, s, waiting, attackOn(waiting, 64, 0, time.Second), c)
		g := sample.Gate
		if g.Validity != lab.Censored || !strings.HasPrefix(g.Reason, "unsaturated:") ||
			sample.Doubled == nil {
			t.Errorf("a server that only waits: %s because %q", g.Validity, g.Reason)
		}
		if text := sampleOutcome(sample); !strings.Contains(text, "peak >= ") {
			t.Errorf("a bound prints as %q", text)
		}
	})
}

func TestIntegrationEveryThreadOfAServerIsCounted(t *testing.T) {
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		reference := responder(s, serve.Reference("busy", 1_000_000))
		inCell(ctx, t, s, reference, func(c experiment.Cell) {
			server := c.Services()[0]
			before, err := server.Usage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			o, err := c.Attack(ctx, attackOn(reference, 4, 0, time.Second))
			if err != nil {
				t.Fatal(err)
			}
			after, err := server.Usage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var threads time.Duration
			if len(o.Before.Services) != 1 || len(o.After.Services) != 1 {
				t.Fatalf("services %+v, then %+v; want the server's", o.Before.Services, o.After.Services)
			}
			for _, thread := range o.After.Services[0].Threads {
				if thread.PID == 1 {
					t.Error("the threads of the server include the generator")
				}
				threads += thread.CPU
			}
			for _, thread := range o.Before.Services[0].Threads {
				threads -= thread.CPU
			}
			// The container is read before and after the threads, so that it cannot use less.
			if container := after.CPU - before.CPU; threads <= 0 || threads > container {
				t.Errorf("its threads used %v, its container %v", threads, container)
			}
			if before.OOMEvents != 0 || after.OOMEvents != 0 {
				t.Errorf("%d of its processes were killed for memory", after.OOMEvents)
			}
		})
	})
}

// expectHits expects that a run kept the hits of all of its rows, in files that Vegeta reads.
func expectHits(t *testing.T, run *record.StoredRun) {
	t.Helper()
	for _, row := range run.Rows {
		name := "json_" + strings.ReplaceAll(row.Text("variant"), "/", "-") + "_*_" + row.Text("phase") + ".bin"
		files, err := filepath.Glob(filepath.Join(run.Dir, "raw", name))
		if err != nil || len(files) == 0 {
			t.Fatalf("no file %s, error %v", name, err)
		}
	}
	files, _ := filepath.Glob(filepath.Join(run.Dir, "raw", "*_steady.bin"))
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := map[uint64]bool{}
	for decode := vegeta.NewDecoder(f); ; {
		var hit vegeta.Result
		if err := decode(&hit); err != nil {
			break // the end
		}
		seen[hit.Seq] = true
	}
	for seq := range uint64(len(seen)) {
		if !seen[seq] {
			t.Fatalf("hit %d of %d is missing", seq, len(seen))
		}
	}
	if len(seen) == 0 {
		t.Error("no hit was kept")
	}
}
