package contract

import (
	"encoding/json"
	"strings"
	"testing"

	"runtimelab/lab"
)

func validIdentity() lab.Identity {
	return lab.Identity{
		Runtime: "node", RuntimeVersion: "24.4.1", Build: map[string]string{"v8": "13"},
		Model: "single", Workers: 1, Parallelism: 1, Backlog: 4096, KeepAliveS: 75,
		Process: lab.ProcessLimits{
			UID: 65532, NofileSoft: 65536, NofileHard: 65536,
			CapEff: "0000000000000000", NoNewPrivs: true, RootReadOnly: true,
			CPUsAllowed: "0-2,5", MemoryLimitBytes: 512 << 20,
			Somaxconn: 4096, PortRange: "1024 65535", Interfaces: []string{"lo"},
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

func TestCheckIdentityAcceptsAValidIdentity(t *testing.T) {
	rule := load(t).Identity()
	want := ExpectedIdentity{
		Runtime: "node", Model: "single", CPUs: []int{5, 0, 1, 2}, MemoryLimit: 512 << 20, Nofile: 65536,
	}
	id, found := CheckIdentity(rule, answerOf(t, validIdentity()), want)
	if len(found) > 0 {
		t.Errorf("%v", found)
	}
	if id.RuntimeVersion != "24.4.1" || id.Process.UID != 65532 {
		t.Errorf("read %+v", id)
	}
	on := true
	other := validIdentity()
	other.GIL, other.KeepAliveS = &on, 120
	if _, found := CheckIdentity(rule, answerOf(t, other), ExpectedIdentity{}); len(found) > 0 {
		t.Errorf("a GIL and a longer keep-alive: %v", found)
	}
}

func TestCheckIdentityFindsWrongValues(t *testing.T) {
	rule := load(t).Identity()
	cases := map[string]struct {
		change func(*lab.Identity)
		want   ExpectedIdentity
		says   string
	}{
		"backlog": {
			func(id *lab.Identity) { id.Backlog = 511 },
			ExpectedIdentity{},
			"it says backlog 511, the lab requires 4096",
		},
		"keep-alive": {
			func(id *lab.Identity) { id.KeepAliveS = 5 },
			ExpectedIdentity{},
			"it says keep_alive_s 5, the lab requires at least 75",
		},
		"keep-alive just too short": {
			func(id *lab.Identity) { id.KeepAliveS = 74.9 },
			ExpectedIdentity{},
			"it says keep_alive_s 74.9, the lab requires at least 75",
		},
		"access log": {
			func(id *lab.Identity) { id.AccessLog = true },
			ExpectedIdentity{},
			"it says access_log true, the lab requires false",
		},
		"no version": {
			func(id *lab.Identity) { id.RuntimeVersion = "" },
			ExpectedIdentity{},
			`it says runtime_version "", the lab requires another value`,
		},
		"no workers": {
			func(id *lab.Identity) { id.Workers = 0 },
			ExpectedIdentity{},
			"it says workers 0, the lab requires at least 1",
		},
		"no parallelism": {
			func(id *lab.Identity) { id.Parallelism = 0 },
			ExpectedIdentity{},
			"it says parallelism 0, the lab requires at least 1",
		},
		"no build": {
			func(id *lab.Identity) { id.Build = nil },
			ExpectedIdentity{},
			"it says build null, the lab requires an object of strings",
		},
		"root": {
			func(id *lab.Identity) { id.Process.UID = 0 },
			ExpectedIdentity{},
			"it says process.uid 0, the lab requires another value",
		},
		"nofile": {
			func(id *lab.Identity) { id.Process.NofileSoft = 1024 },
			ExpectedIdentity{Nofile: 65536},
			"it says process.nofile_soft 1024, the lab gave it 65536",
		},
		"hard nofile": {
			func(id *lab.Identity) { id.Process.NofileHard = 1024 },
			ExpectedIdentity{Nofile: 65536},
			"it says process.nofile_hard 1024, the lab gave it 65536",
		},
		"capabilities": {
			func(id *lab.Identity) { id.Process.CapEff = "00000000a80425fb" },
			ExpectedIdentity{},
			`it says process.cap_eff "00000000a80425fb", the lab requires "0000000000000000"`,
		},
		"new privileges": {
			func(id *lab.Identity) { id.Process.NoNewPrivs = false },
			ExpectedIdentity{},
			"it says process.no_new_privs false, the lab requires true",
		},
		"writable root": {
			func(id *lab.Identity) { id.Process.RootReadOnly = false },
			ExpectedIdentity{},
			"it says process.root_read_only false, the lab requires true",
		},
		"no memory": {
			func(id *lab.Identity) { id.Process.MemoryLimitBytes = 0 },
			ExpectedIdentity{},
			"it says process.memory_limit 0, the lab requires at least 1",
		},
		"somaxconn": {
			func(id *lab.Identity) { id.Process.Somaxconn = 128 },
			ExpectedIdentity{},
			"it says process.somaxconn 128, the lab requires at least 4096",
		},
		"ports": {
			func(id *lab.Identity) { id.Process.PortRange = "32768 60999" },
			ExpectedIdentity{},
			`it says process.local_port_range "32768 60999", the lab requires "1024 65535"`,
		},
		"interfaces": {
			func(id *lab.Identity) { id.Process.Interfaces = []string{"eth0", "lo"} },
			ExpectedIdentity{},
			`it says process.interfaces ["eth0","lo"], the lab requires ["lo"]`,
		},
		"no interfaces": {
			func(id *lab.Identity) { id.Process.Interfaces = nil },
			ExpectedIdentity{},
			"it says process.interfaces null, the lab requires a value of type array",
		},
		"another runtime": {
			func(*lab.Identity) {},
			ExpectedIdentity{Runtime: "python"},
			`it says runtime "node", the variant runs the application of "python"`,
		},
		"a GIL that must be off": {
			func(id *lab.Identity) { on := true; id.GIL = &on },
			ExpectedIdentity{Identity: map[string]any{"gil": false}},
			"it says gil true, the variant's gil is false",
		},
		"no GIL": {
			func(id *lab.Identity) { id.GIL = nil },
			ExpectedIdentity{Identity: map[string]any{"gil": false}},
			"it says gil null, the variant's gil is false",
		},
		"a GIL that must not exist": {
			func(id *lab.Identity) { id.GIL = new(bool) },
			ExpectedIdentity{Identity: map[string]any{"gil": nil}},
			"it says gil false, the variant's gil is null",
		},
		"fewer workers than required": {
			func(*lab.Identity) {},
			ExpectedIdentity{Identity: map[string]any{"gil": nil, "workers": 2.0}},
			"it says workers 1, the variant's workers is 2",
		},
		"another build": {
			func(id *lab.Identity) { id.Build = map[string]string{"a": "0", "a.b": "1"} },
			ExpectedIdentity{Identity: map[string]any{"build.a": "0", "build.a.b": "2"}},
			`it says build.a.b "1", the variant's build.a.b is "2"`,
		},
		"a build that it does not name": {
			func(*lab.Identity) {},
			ExpectedIdentity{Identity: map[string]any{"build.jit": "on"}},
			`it says build.jit null, the variant's build.jit is "on"`,
		},
		"another model": {
			func(*lab.Identity) {},
			ExpectedIdentity{Model: "cluster"},
			`it says model "single", the variant's model is "cluster"`,
		},
		"other memory": {
			func(*lab.Identity) {},
			ExpectedIdentity{MemoryLimit: 1 << 20},
			"it says process.memory_limit 536870912, the lab gave it 1048576",
		},
		"other CPUs": {
			func(*lab.Identity) {},
			ExpectedIdentity{CPUs: []int{1}},
			`it says process.cpus_allowed "0-2,5", the lab gave it "1"`,
		},
		"a long value": {
			func(id *lab.Identity) { id.Process.CapEff = strings.Repeat("f", 1000) },
			ExpectedIdentity{},
			`fff… (1002 bytes), the lab requires "0000000000000000"`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			id := validIdentity()
			c.change(&id)
			_, found := CheckIdentity(rule, answerOf(t, id), c.want)
			if len(found) != 1 || !strings.HasSuffix(found[0], c.says) {
				t.Errorf("found %q, want %q", found, c.says)
			}
		})
	}
}

func TestCheckIdentityWantsExactlyTheFields(t *testing.T) {
	rule := load(t).Identity()
	body := string(answerOf(t, validIdentity()).Body)
	cases := map[string]struct{ old, new, says string }{
		"a missing field":            {`"gil":null,`, ``, "it does not say gil"},
		"a missing field of process": {`"uid":65532,`, ``, "it does not say process.uid"},
		"an extra field": {
			`{"runtime"`, `{"pid":1,"runtime"`,
			"it says pid 1, which is not a field of the contract",
		},
		"an extra field of process": {
			`"uid"`, `"gid":1,"uid"`,
			"it says process.gid 1, which is not a field of the contract",
		},
		"type": {
			`"workers":1`, `"workers":1.5`,
			"it says workers 1.5, the lab requires a value of type integer",
		},
		"build": {
			`"v8":"13"`, `"v8":13`,
			`it says build {"v8":13}, the lab requires an object of strings`,
		},
		"not an object": {body, `[]`, "its answer is not a JSON object"},
		"not JSON":      {body, `<html>`, "its answer is not a JSON object"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(body, c.old, c.new, 1)
			_, found := CheckIdentity(rule, lab.Answer{Status: 200, Body: []byte(changed)}, ExpectedIdentity{})
			if len(found) == 0 || !strings.Contains(found[0], c.says) {
				t.Errorf("found %v, want %q", found, c.says)
			}
		})
	}
	for _, got := range []lab.Answer{{Error: "refused"}, {Status: 503, Body: []byte(body)}} {
		if _, found := CheckIdentity(rule, got, ExpectedIdentity{}); len(found) != 1 {
			t.Errorf("status %d: found %v", got.Status, found)
		}
	}
	if r := NewSuite(load(t), 1,
		ExpectedIdentity{}).IdentityRequest(); r.Method != "GET" || r.Path != "/identity" {
		t.Errorf("the request is %v", r)
	}
}
