package memory

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/engine"
	"runtimelab/lab/fault"
)

// ready is an awaitReady for services that are ready at once.
func ready(context.Context, engine.Cell, lab.Service) error { return nil }

// openRun begins a run with a cell of a server that depends on a database.
func openRun(t *testing.T, e *Engine, id string) (*Run, *Cell) {
	t.Helper()
	r, err := e.BeginRun(t.Context(), id, lab.Image{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Open(t.Context(), lab.CellRequest{Services: []lab.Service{
		{Role: lab.RoleDatabase, Name: "postgres"},
		{Role: lab.RoleServer, Name: "rt/a", DependsOn: []string{"postgres"}},
	}}, ready)
	if err != nil {
		t.Fatal(err)
	}
	return r.(*Run), c.(*Cell)
}

func TestSweepRemovesTheContainersOfDeadRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		alive, _ := openRun(t, e, "alive")
		dead, _ := openRun(t, e, "dead")
		dead.lease.end("it was killed")
		ids, err := e.AliveRuns(t.Context())
		if err != nil || !slices.Equal(ids, []string{"alive"}) {
			t.Errorf("alive are %v, %v", ids, err)
		}
		if n, err := e.Sweep(t.Context()); err != nil || n != 4 {
			t.Errorf("removed %d, %v, want lease, generator, database and server", n, err)
		}
		if err := alive.End(t.Context()); err != nil || len(e.Containers()) > 0 {
			t.Errorf("left %v, %v", e.Containers(), err)
		}
	})
}

func TestTheLockWaitsForALiveRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		first, _ := openRun(t, e, "first")
		second, _ := openRun(t, e, "second")
		if err := first.Lock(t.Context(), "one", nil); err != nil || e.MeasuringLockHolder(t.Context()) != "one" {
			t.Errorf("the holder is %q, %v", e.MeasuringLockHolder(t.Context()), err)
		}
		var holders []string
		time.AfterFunc(3*lockPollInterval, func() {
			if err := first.End(t.Context()); err != nil {
				t.Error(err)
			}
		})
		err := second.Lock(t.Context(), "two", func(holder string) { holders = append(holders, holder) })
		if err != nil || !slices.Equal(holders, []string{"one"}) || e.MeasuringLockHolder(t.Context()) != "two" {
			t.Errorf("waited for %v, and then %q holds it, %v", holders, e.MeasuringLockHolder(t.Context()), err)
		}
		if err := second.End(t.Context()); err != nil || e.MeasuringLockHolder(t.Context()) != "" {
			t.Errorf("%q holds the lock of an ended run, %v", e.MeasuringLockHolder(t.Context()), err)
		}
	})
}

func TestAFaultComesOnceAtItsMomentAndRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		r, c := openRun(t, e, "run")
		f := Fault{Moment: Reading, Kind: CallFails, Role: lab.RoleServer}
		e.Arm(f)
		database, server := c.Services()[0], c.Services()[1]
		if _, err := database.Usage(t.Context()); err != nil || len(e.faults) != 1 {
			t.Errorf("reading the database: %v; left %v", err, e.faults)
		}
		if _, err := server.Usage(t.Context()); !errors.Is(err, errFailed) || fault.PartyOf(err) != fault.Engine {
			t.Errorf("reading the server: %v by %+v", err, fault.PartyOf(err))
		}
		if _, err := server.Usage(t.Context()); err != nil {
			t.Errorf("reading it again: %v", err)
		}
		e.Arm(f)
		if left := e.Disarm(); !slices.Equal(left, []Fault{f}) || len(e.Disarm()) > 0 {
			t.Errorf("disarmed %v", left)
		}
		if err := r.End(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatDependsOnAServiceEndsAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		r, c := openRun(t, e, "run")
		e.Arm(Fault{Moment: Canary, Kind: ServiceEnds, Role: lab.RoleDatabase})
		if _, err := (machine{e}).RunCanaries(t.Context(), []int{0}); err != nil {
			t.Fatal(err)
		}
		database, server := c.Services()[0].Ending(t.Context()), c.Services()[1].Ending(t.Context())
		if database.Reason != "the database postgres exited with code 7" ||
			server.Reason != "the server exited with code 1" || !database.At.Before(server.At) {
			t.Errorf("the database ended with %+v, the server with %+v", database, server)
		}
		if err := r.End(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
