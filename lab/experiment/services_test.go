package experiment

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/fault"
)

// withDatabase adds a database to the services of an experiment and of its scenario.
func withDatabase(e *Experiment) {
	e.Services["postgres"] = lab.Service{
		Role: lab.RoleDatabase, Name: "postgres", Port: 5432,
		ServerEnv: map[string]string{"DATABASE_URL": "postgres://127.0.0.1:5432/lab"},
	}
	e.Plan.Scenarios[0].Services = []string{"postgres", lab.UpstreamName}
}

func TestTheServiceThatEndedFirstIsTheCause(t *testing.T) {
	const server, database, upstream = "server", "postgres", lab.UpstreamName
	for name, c := range map[string]struct {
		ends     []serviceEnd
		validity lab.Validity
		reason   string
	}{
		"a database": {
			[]serviceEnd{{database, 1}}, lab.Failed, "the database postgres exited with code 7",
		},
		"an upstream": {
			[]serviceEnd{{upstream, 1}}, lab.Disturbed, "the upstream exited with code 7",
		},
		"a server after its database": {
			[]serviceEnd{{server, 2}, {database, 1}}, lab.Failed, "the database postgres exited with code 7",
		},
		"a database after the server": {
			[]serviceEnd{{database, 2}, {server, 1}}, lab.Failed, "the server exited with code 7",
		},
		"an upstream after the server": {
			[]serviceEnd{{upstream, 2}, {server, 1}}, lab.Failed, "the server exited with code 7",
		},
		"a server and an upstream at once": {
			[]serviceEnd{{server, 1}, {upstream, 1}}, lab.Disturbed, "the upstream exited with code 7",
		},
	} {
		w := newWorld()
		w.ends = c.ends
		e := newExperiment(w, "a")
		withDatabase(e)
		e.Plan.Trials = e.Plan.Trials[:1]
		if err := e.Run(t.Context()); err != nil || len(w.recorded) != 1 {
			t.Fatalf("%s: error %v, %d rows", name, err, len(w.recorded))
		}
		if g := w.recorded[0].Gate; g.Validity != c.validity || g.Reason != c.reason {
			t.Errorf("%s: the row is %+v, want %s: %s", name, g, c.validity, c.reason)
		}
		w.checkNothingOpen(t)
	}
}

// A service that runs is broken only by one that it depends on.
func TestTheEndOfAServiceExplainsOnlyWhatDependsOnIt(t *testing.T) {
	database := lab.Service{Role: lab.RoleDatabase, Name: "postgres"}
	pool := lab.Service{Role: lab.RoleBalancer, Name: "pool", DependsOn: []string{"postgres"}}
	server := lab.Service{Role: lab.RoleServer, Name: "rt/a", DependsOn: []string{"pool"}}
	ofDatabase := fault.Party{Role: "database", Name: "postgres"}
	ofServer := fault.Party{Role: "server", Name: "rt/a"}
	for name, c := range map[string]struct {
		ended string
		named fault.Party
		want  fault.Party
	}{
		"the server complains, and its database has ended":  {"postgres", fault.Server, ofDatabase},
		"the database complains, and the server has ended":  {"server", ofDatabase, ofDatabase},
		"the lab complains, and the database has ended":     {"postgres", fault.Lab, fault.Lab},
		"the engine complains of a server that has ended":   {"server", fault.Engine, ofServer},
		"nobody is named, and the database has ended":       {"postgres", fault.Party{}, ofDatabase},
		"the database complains that it has ended itself":   {"postgres", ofDatabase, ofDatabase},
		"the generator complains, and the server has ended": {"server", fault.Generator, fault.Generator},
	} {
		w := newWorld()
		cell, err := w.Open(t.Context(), lab.CellRequest{Services: []lab.Service{database, pool, server}})
		if err != nil {
			t.Fatal(err)
		}
		cell.(*fakeCell).end(c.ended, time.Second)
		broken := errors.New("it is broken")
		said := broken
		if c.named != (fault.Party{}) {
			said = fault.By(c.named, broken)
		}
		got := CauseInCell(t.Context(), cell, said)
		if fault.PartyOf(got) != c.want || !errors.Is(got, broken) {
			t.Errorf("%s: %v by %+v, want %+v", name, got, fault.PartyOf(got), c.want)
		}
	}
}

func TestACellIsAskedForWithAllItsServices(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a")
	withDatabase(e)
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	request := w.requests[len(w.requests)-1]
	if !slices.Equal(request.Generator.Pinned, []int{0}) || len(request.Services) != 3 {
		t.Fatalf("asked for %+v", request)
	}
	server := request.Services[2]
	if server.Role != lab.RoleServer || server.Name != "rt/a" || !slices.Equal(server.CPUs.Pinned, []int{1}) ||
		!slices.Equal(server.DependsOn, []string{"postgres", "upstream"}) ||
		server.Env["DATABASE_URL"] != "postgres://127.0.0.1:5432/lab" {
		t.Errorf("the server is %+v", server)
	}
	for _, beside := range request.Services[:2] {
		if !slices.Equal(beside.CPUs.Pinned, []int{0}) {
			t.Errorf("%s runs on %v", beside.Name, beside.CPUs.Pinned)
		}
	}
}

func TestAServerOnThePortOfAServiceIsAMistake(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a")
	withDatabase(e)
	e.Variants["rt/a"] = lab.Variant{Runtime: "rt", Name: "a", Own: &lab.OwnServer{Port: 5432}}
	_, err := e.CheckContract(t.Context())
	var mistake *fault.Error
	if !errors.As(err, &mistake) || mistake.Code != fault.ExitUsage || w.openedCells.Load() != 0 ||
		!strings.Contains(err.Error(), "rt/a listens on port 5432, where the service postgres listens") {
		t.Errorf("error %v after %d cells", err, w.openedCells.Load())
	}
}

// A variant is checked beside all that it calls, whatever its scenarios name.
func TestTheContractIsCheckedBesideTheServicesThatWorkloadsNeed(t *testing.T) {
	w := newWorld()
	w.needs = []string{lab.UpstreamName}
	e := newExperiment(w, "a")
	if _, err := e.CheckContract(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := w.requests[0].Services; len(s) != 2 || s[0].Name != lab.UpstreamName {
		t.Errorf("the check asked for %+v", s)
	}
}

func TestAVariantIsAServiceWithItsOwnSettings(t *testing.T) {
	upstream := lab.Service{Name: "upstream", ServerEnv: map[string]string{"UPSTREAM_URL": "u", "PORT": "x"}}
	ports := fmt.Sprint(lab.ServerPort)
	for name, c := range map[string]struct {
		variant lab.Variant
		want    lab.Service
	}{
		"an application": {
			lab.Variant{Runtime: "rt", Name: "a", Command: []string{"run"}, Env: map[string]string{"PORT": ports}},
			lab.Service{
				Command: []string{"run"}, Port: lab.ServerPort,
				Env: map[string]string{"PORT": ports, "HOST": "127.0.0.1", "UPSTREAM_URL": "u"},
			},
		},
		"a server of one's own": {
			lab.Variant{
				Runtime: "rt", Name: "a", Env: map[string]string{"PORT": "3000", "UPSTREAM_URL": "mine"},
				Own: &lab.OwnServer{User: "7:8", Port: 3000, Writable: []string{"/run"}},
			},
			lab.Service{
				Port: 3000, User: "7:8", Env: map[string]string{"PORT": "3000", "UPSTREAM_URL": "mine"},
				Writable: []lab.WritableFolder{{Path: "/run", SizeBytes: 256 << 20}},
			},
		},
	} {
		c.want.Role, c.want.Name, c.want.Image = lab.RoleServer, "rt/a", lab.Image{Ref: "rt:1"}
		c.want.MemoryBytes, c.want.DependsOn = lab.ServerMemory, []string{"upstream"}
		if got := Server(c.variant, lab.Image{Ref: "rt:1"}, upstream); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v\nwant %+v", name, got, c.want)
		}
	}
}

func TestEveryServiceIsReadAroundAnAttack(t *testing.T) {
	w := newWorld()
	cell, err := w.Open(t.Context(), lab.CellRequest{Services: []lab.Service{
		{
			Role: lab.RoleDatabase, Name: "postgres", CPUs: lab.CPURequest{Pinned: []int{2}},
			Counts: &lab.CountQuery{User: "lab"},
		},
		{Role: lab.RoleUpstream, Name: lab.UpstreamName, CallCount: &lab.Request{Path: "/hits"}},
		{Role: lab.RoleServer, Name: "rt/a"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.upstreamCalls, w.counts = 8, lab.DatabaseCounts{Statements: 3}
	before, err := readBeside(t.Context(), cell, false)
	if err != nil {
		t.Fatal(err)
	}
	w.upstreamCalls, w.counts = 50, lab.DatabaseCounts{Statements: 13, Rows: 4}
	after, err := readBeside(t.Context(), cell, true)
	if err != nil {
		t.Fatal(err)
	}
	used := &account.UsageReadings{
		Before: account.Usage{CPU: time.Millisecond}, After: account.Usage{CPU: 2 * time.Millisecond},
	}
	calls := int64(42)
	want := []account.ServiceReadings{
		{
			Role: lab.RoleDatabase, Name: "postgres", CPUs: []int{2}, Usage: used,
			Counts: &account.CountReadings{
				Before: lab.DatabaseCounts{Statements: 3}, After: lab.DatabaseCounts{Statements: 13, Rows: 4},
			},
		},
		{Role: lab.RoleUpstream, Name: lab.UpstreamName, Usage: used, Calls: &calls},
	}
	if got := besideReadings(cell, before, after); !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
	for i := range want {
		want[i].Usage, want[i].Calls, want[i].Counts = nil, nil, nil
	}
	if got := besideReadings(cell, nil, nil); !reflect.DeepEqual(got, want) {
		t.Errorf("without readings: %+v, want %+v", got, want)
	}
}

func TestTheRowOfATrialWhoseCellDoesNotOpenNamesItsFirstPhase(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a")
	if _, err := e.CheckContract(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.openError = fault.By(fault.Party{Role: string(lab.RoleDatabase)}, errors.New("it is not ready"))
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(w.rows(lab.Failed)); got != "[rt/a 1 peak rt/a 2 peak]" {
		t.Errorf("failed rows %s", got)
	}
}
