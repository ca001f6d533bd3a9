package contract

import (
	"encoding/json"
	"strings"
	"testing"

	"runtimelab/lab"
)

func good() lab.Identity {
	return lab.Identity{
		Runtime: "node", RuntimeVersion: "24.4.1", Build: map[string]string{"v8": "13"}, Model: "single", Workers: 1, Parallelism: 1,
		Backlog: 4096, KeepAliveS: 75,
		Process: lab.ProcessLimits{
			UID: 65532, NofileSoft: 65536, NofileHard: 65536, CapEff: "0000000000000000", NoNewPrivs: true, RootReadOnly: true,
			CPUsAllowed: "0-2,5", MemoryLimitByte: 512 << 20, Somaxconn: 4096, PortRange: "1024 65535", Interfaces: []string{"lo"},
		},
	}
}

func answerOf(t *testing.T, id lab.Identity) lab.Answer {
	t.Helper()
	body, err := json.Marshal(id)
	if err != nil {
		t.Fatal(err)
	}
	return lab.Answer{Status: 200, Body: body}
}

func TestIdentityOfAGoodServer(t *testing.T) {
	c := load(t)
	want := Expected{Runtime: "node", Model: "single", CPUs: []int{5, 0, 1, 2}, MemoryLimit: 512 << 20, Nofile: 65536}
	id, found := c.Identity(answerOf(t, good()), want)
	if len(found) > 0 {
		t.Errorf("%v", found)
	}
	if id.RuntimeVersion != "24.4.1" || id.Process.UID != 65532 {
		t.Errorf("read %+v", id)
	}
	on := true
	free := good()
	free.GIL, free.KeepAliveS = &on, 120
	if _, found := c.Identity(answerOf(t, free), Expected{}); len(found) > 0 {
		t.Errorf("a GIL and a longer keep-alive: %v", found)
	}
}

func TestIdentityFindsWhatIsWrong(t *testing.T) {
	c := load(t)
	cases := map[string]struct {
		spoil func(*lab.Identity)
		want  Expected
		says  string
	}{
		"backlog":                 {func(id *lab.Identity) { id.Backlog = 511 }, Expected{}, "backlog differs\n  --- contract\n  +++ answer\n  -4096\n  +511"},
		"keep-alive":              {func(id *lab.Identity) { id.KeepAliveS = 74.9 }, Expected{}, "-at least 75\n  +74.9"},
		"access log":              {func(id *lab.Identity) { id.AccessLog = true }, Expected{}, "access_log differs"},
		"no version":              {func(id *lab.Identity) { id.RuntimeVersion = "" }, Expected{}, "runtime_version differs"},
		"no workers":              {func(id *lab.Identity) { id.Workers = 0 }, Expected{}, "workers differs"},
		"no parallelism":          {func(id *lab.Identity) { id.Parallelism = 0 }, Expected{}, "parallelism differs\n  --- contract\n  +++ answer\n  -at least 1\n  +0"},
		"no build":                {func(id *lab.Identity) { id.Build = nil }, Expected{}, "build differs"},
		"root":                    {func(id *lab.Identity) { id.Process.UID = 0 }, Expected{}, "process.uid differs"},
		"nofile":                  {func(id *lab.Identity) { id.Process.NofileSoft = 1024 }, Expected{Nofile: 65536}, "process.nofile_soft differs"},
		"capabilities":            {func(id *lab.Identity) { id.Process.CapEff = "00000000a80425fb" }, Expected{}, "process.cap_eff differs"},
		"new privileges":          {func(id *lab.Identity) { id.Process.NoNewPrivs = false }, Expected{}, "process.no_new_privs differs"},
		"writable root":           {func(id *lab.Identity) { id.Process.RootReadOnly = false }, Expected{}, "process.root_read_only differs"},
		"no memory":               {func(id *lab.Identity) { id.Process.MemoryLimitByte = 0 }, Expected{}, "process.memory_limit differs"},
		"somaxconn":               {func(id *lab.Identity) { id.Process.Somaxconn = 128 }, Expected{}, "process.somaxconn differs"},
		"ports":                   {func(id *lab.Identity) { id.Process.PortRange = "32768 60999" }, Expected{}, "process.local_port_range differs"},
		"interfaces":              {func(id *lab.Identity) { id.Process.Interfaces = []string{"eth0", "lo"} }, Expected{}, `-["lo"]` + "\n  +[\"eth0\",\"lo\"]"},
		"no interfaces":           {func(id *lab.Identity) { id.Process.Interfaces = nil }, Expected{}, "process.interfaces differs"},
		"another":                 {func(*lab.Identity) {}, Expected{Runtime: "python"}, "runtime differs"},
		"a GIL that is to be off": {func(id *lab.Identity) { on := true; id.GIL = &on }, Expected{GIL: new(bool)}, "gil differs\n  --- contract\n  +++ answer\n  -false\n  +true"},
		"no GIL to be off":        {func(id *lab.Identity) { id.GIL = nil }, Expected{GIL: new(bool)}, "gil differs"},
		"another model":           {func(*lab.Identity) {}, Expected{Model: "cluster"}, "model differs"},
		"other memory":            {func(*lab.Identity) {}, Expected{MemoryLimit: 1 << 20}, "process.memory_limit differs"},
		"other CPUs":              {func(*lab.Identity) {}, Expected{CPUs: []int{1}}, "process.cpus_allowed differs"},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			id := good()
			k.spoil(&id)
			_, found := c.Identity(answerOf(t, id), k.want)
			if len(found) != 1 || !strings.Contains(found[0].String(), k.says) {
				t.Errorf("found %v, want %q", found, k.says)
			}
		})
	}
}

func TestIdentityHasExactlyTheFields(t *testing.T) {
	c := load(t)
	body := string(answerOf(t, good()).Body)
	cases := map[string]struct{ old, new, says string }{
		"missing":        {`"gil":null,`, ``, "gil is missing"},
		"missing within": {`"uid":65532,`, ``, "process.uid is missing"},
		"more":           {`{"runtime"`, `{"pid":1,"runtime"`, "pid is not a field"},
		"more within":    {`"uid"`, `"gid":1,"uid"`, "process.gid is not a field"},
		"type":           {`"workers":1`, `"workers":1.5`, "workers differs"},
		"build":          {`"v8":"13"`, `"v8":13`, "build differs"},
		"no object":      {body, `[]`, "no JSON object"},
		"no JSON":        {body, `<html>`, "no JSON object"},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			spoilt := strings.Replace(body, k.old, k.new, 1)
			_, found := c.Identity(lab.Answer{Status: 200, Body: []byte(spoilt)}, Expected{})
			if len(found) == 0 || !strings.Contains(found[0].String(), k.says) {
				t.Errorf("found %v, want %q", found, k.says)
			}
		})
	}
	for _, got := range []lab.Answer{{Error: "refused"}, {Status: 503, Body: []byte(body)}} {
		if _, found := c.Identity(got, Expected{}); len(found) != 1 {
			t.Errorf("status %d: found %v", got.Status, found)
		}
	}
	if r := c.IdentityRequest(); r.Method != "GET" || r.Path != "/identity" {
		t.Errorf("asks %v", r)
	}
}
