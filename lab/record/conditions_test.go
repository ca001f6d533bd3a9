package record_test

import (
	"encoding/json"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/record"
)

func TestResumeRefusesChangedConditions(t *testing.T) {
	begun := func() record.Info {
		return record.Info{
			RunID: "20261124T090000Z-beef",
			Host: record.Host{ID: "h0", Topology: lab.Topology{
				CPUModel: "AMD EPYC", Kernel: "6.1", CPUs: []lab.CPU{{ID: 0}, {ID: 1}}, MemoryBytes: 24684096 << 10,
			}},
			Engine:   map[string]string{"version": "20.10", "storage": "overlay2"},
			Versions: map[string]string{"lab": "v1"},
			Plan:     lab.Plan{Layout: lab.Layout{Generator: []int{0}, Server: []int{1}}},
			MeasuredVariants: map[string]record.MeasuredVariant{"node/single": {
				Variant: lab.Variant{Runtime: "node", Name: "single"},
				Image:   lab.Image{ID: "sha256:1", ContentSHA256: "c0c0c0c0c0c0c0c0"},
			}},
			Services: map[string]lab.Service{"postgres": {
				Name: "postgres", MemoryBytes: 1 << 30,
				Image: lab.Image{ID: "sha256:1", ContentSHA256: "d0d0d0d0d0d0d0d0"},
			}},
		}
	}
	changeVariant := func(i *record.Info, change func(*record.MeasuredVariant)) {
		v := i.MeasuredVariants["node/single"]
		change(&v)
		i.MeasuredVariants["node/single"] = v
	}
	changeService := func(i *record.Info, change func(*lab.Service)) {
		s := i.Services["postgres"]
		change(&s)
		i.Services["postgres"] = s
	}
	for name, c := range map[string]struct {
		change func(now *record.Info)
		want   string // empty: it is resumed
	}{
		"nothing": {func(*record.Info) {}, ""},
		"the host's id, after an update of the lab": {
			func(now *record.Info) { now.Host = record.HostOf(now.Host.Topology) }, "",
		},
		"the host's memory, after a reboot": {
			func(now *record.Info) { now.Host.Topology.MemoryBytes -= 3 * 4096; now.Host.ID = "h1" }, "",
		},
		"the notes": {func(now *record.Info) { now.Notes = []string{"new"} }, ""},
		"the id of an image with the same content": {func(now *record.Info) {
			changeVariant(now, func(v *record.MeasuredVariant) { v.Image.ID = "sha256:2" })
		}, ""},
		"the id of a service's image": {
			func(now *record.Info) { changeService(now, func(s *lab.Service) { s.Image.ID = "sha256:2" }) }, "",
		},
		"a service's image": {
			func(now *record.Info) {
				changeService(now, func(s *lab.Service) { s.Image.ContentSHA256 = "d1d1d1d1d1d1d1d1" })
			},
			"image of the service postgres: content d0d0d0d0d0d0 then, d1d1d1d1d1d1 now",
		},
		"a service's memory": {
			func(now *record.Info) { changeService(now, func(s *lab.Service) { s.MemoryBytes /= 2 }) },
			"script of the service postgres",
		},
		"the host": {
			func(now *record.Info) { now.Host.ID = "h1"; now.Host.Topology.MemoryBytes /= 2 },
			`host memory: "24576 MiB" then, "12288 MiB" now`,
		},
		"the engine": {
			func(now *record.Info) { now.Engine["version"] = "29" },
			`engine version: "20.10" then, "29" now`,
		},
		"a value that is missing now": {
			func(now *record.Info) { delete(now.Engine, "storage") },
			`engine storage: "overlay2" then, "" now`,
		},
		"a value that was missing": {
			func(now *record.Info) { now.Engine["arch"] = "arm64" },
			`engine arch: "" then, "arm64" now`,
		},
		"the lab": {
			func(now *record.Info) { now.Versions["lab"] = "v2" },
			`version of lab: "v1" then, "v2" now`,
		},
		"the CPUs": {
			func(now *record.Info) { now.Plan.Layout.Server = []int{2} },
			`layout for servers with 1 CPU: "server on 1, generator on 0" then, "server on 2, generator on 0" now`,
		},
		"the CPUs of services": {
			func(now *record.Info) { now.Plan.Layout.Spare = []lab.SpareCPU{{ID: 2}} },
			`layout for servers with 1 CPU: "server on 1, generator on 0" then, ` +
				`"server on 1, generator on 0, 2 to spare" now`,
		},
		"a limit of the engine": {
			func(now *record.Info) { now.Plan.Layout.Doubts = []string{"fewer files"} },
			"layout for servers with 1 CPU: ",
		},
		"the CPUs of wider servers": {
			func(now *record.Info) { now.Plan.WiderLayouts = []lab.Layout{{Server: []int{0, 1}}} },
			"layout for servers with 2 CPUs: ",
		},
		"an image": {func(now *record.Info) {
			changeVariant(now, func(v *record.MeasuredVariant) { v.Image.ContentSHA256 = "d1d1d1d1d1d1d1d1" })
		}, "image of node/single: content c0c0c0c0c0c0 then, d1d1d1d1d1d1 now"},
		"a variant": {func(now *record.Info) {
			changeVariant(now, func(v *record.MeasuredVariant) { v.Variant.Env = map[string]string{"A": "B"} })
		}, "script of node/single"},
	} {
		t.Run(name, func(t *testing.T) {
			now := begun()
			c.change(&now)
			err := record.CheckConditions(begun(), now)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			// The message has one line for the change and one for the hint.
			case c.want != "" && (err == nil || fault.ExitCode(err) != fault.ExitUsage ||
				strings.Count(err.Error(), "\n  ") != 2 || !strings.Contains(err.Error(), "\n  "+c.want)):
				t.Errorf("got %v, want only %s", err, c.want)
			}
		})
	}
}

// The form in which a variant's required identity is recorded has changed. Its meaning has not.
// Older labs recorded no offers, and an added workload changes no trial.
func TestWhatAVariantOffersIsNoCondition(t *testing.T) {
	info := func(offers ...string) record.Info {
		return record.Info{MeasuredVariants: map[string]record.MeasuredVariant{"node/single": {
			Variant: lab.Variant{Runtime: "node", Name: "single", Offers: offers},
		}}}
	}
	if changes := record.VariantChanges(info(), info("hello", "orders")); len(changes) > 0 {
		t.Errorf("%q", changes)
	}
}

func TestARequiredIdentityOfAnOlderLabIsUnchanged(t *testing.T) {
	const id = "python-freethreaded/threads"
	var was record.Info
	if err := json.Unmarshal([]byte(`{"entrants": {"`+id+`": {"variant": {
		"Runtime": "python-freethreaded", "Name": "threads", "About": "", "Model": "threads",
		"Application": "python", "GIL": false, "Command": ["python3"], "Env": null, "Responder": false
	}}}}`), &was); err != nil {
		t.Fatal(err)
	}
	for gil, want := range map[bool]int{false: 0, true: 1} {
		now := record.Info{MeasuredVariants: map[string]record.MeasuredVariant{id: {Variant: lab.Variant{
			Runtime: "python-freethreaded", Name: "threads", Model: "threads", Application: "python",
			Command: []string{"python3"}, Identity: map[string]any{"gil": gil},
		}}}}
		if changes := record.VariantChanges(was, now); len(changes) != want {
			t.Errorf("gil required to be %t: %q, want %d", gil, changes, want)
		}
	}
}
