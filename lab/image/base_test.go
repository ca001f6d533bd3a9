package image

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

func TestParseBaseMode(t *testing.T) {
	for value, want := range map[string]BaseMode{
		"": Auto, "auto": Auto, "official": Official, "debian": Debian,
	} {
		if got, err := ParseBaseMode(value); got != want || err != nil {
			t.Errorf("ParseBaseMode(%q) = %q, %v; want %q", value, got, err, want)
		}
	}
	_, err := ParseBaseMode("Debian ")
	if fault.ExitCode(err) != fault.ExitUsage {
		t.Fatalf("exit code %d, want %d", fault.ExitCode(err), fault.ExitUsage)
	}
	for _, name := range []string{"auto", "official", "debian"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
}

// unreachable is the pull of an engine whose DNS does not know the registry.
func unreachable(context.Context, string, func()) error {
	return WithKind(ErrUnreachable, errors.New("lookup registry.test: no such host"))
}

func TestPullRetriesABusyRegistry(t *testing.T) {
	h := newHarness(t, Auto)
	pulls := 0
	h.engine.pullFails = func(_ context.Context, _ string, progress func()) error {
		progress()
		if pulls++; pulls < 3 {
			return WithKind(ErrBusy, errors.New("toomanyrequests: slow down"))
		}
		return nil
	}
	if err := h.pull(t.Context(), "node:1-slim"); err != nil || pulls != 3 {
		t.Fatalf("%d pulls, want 3; error %v", pulls, err)
	}
}

func TestABusyRegistryDoesNotLeadToStandIns(t *testing.T) {
	h := newHarness(t, Auto)
	h.engine.pullFails = func(context.Context, string, func()) error {
		return WithKind(ErrBusy, errors.New("received unexpected HTTP status: 503 Service Unavailable"))
	}
	for name, result := range h.Ensure(t.Context(), h.runtimes) {
		var userErr *fault.Error
		if !errors.As(result.Err, &userErr) || !strings.Contains(result.Err.Error(), "503") {
			t.Errorf("%s: %v", name, result.Err)
		}
	}
	if len(h.made) > 0 {
		t.Errorf("stand-ins were made: %v", h.made)
	}
	if want := 2 * (1 + len(h.backoff)); len(h.engine.pulled) != want {
		t.Errorf("%d pulls, want %d: %v", len(h.engine.pulled), want, h.engine.pulled)
	}
}

func TestPullEndsIfTheRegistryDoesNotAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		answers bool // whether it answers once, and then no more
		want    error
	}{"no answer": {false, errNoAnswer}, "stalled": {true, errStalled}} {
		h := newHarness(t, Auto)
		h.engine.pullFails = func(ctx context.Context, _ string, progress func()) error {
			if c.answers {
				progress()
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Second):
				return errors.New("the pull was not stopped")
			}
		}
		err := h.pull(t.Context(), "node:1-slim")
		if !errors.Is(err, c.want) || errors.Is(err, ErrUnreachable) == c.answers {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if pulls := len(h.engine.pulled); c.answers != (pulls == 1+len(h.backoff)) {
			t.Errorf("%s: %d pulls", name, pulls)
		}
	}
}

func TestAllBasesAreOfOneKind(t *testing.T) {
	tests := []struct {
		name     string
		mode     BaseMode
		official []string // official images on the engine at the start
		standIns bool     // whether the engine has stand-ins at the start
		pull     func(context.Context, string, func()) error
		change   func(*harness)
		pulls    int
		made     int    // stand-ins
		origin   string // part of every origin; empty: every runtime fails
		hint     string // part of every error
	}{
		{
			name: "official present", mode: Auto, official: []string{"node", "python"}, standIns: true,
			origin: ":1-slim",
		},
		{name: "stand-ins present", mode: Auto, standIns: true, pull: unreachable, origin: "debian forky"},
		{
			name: "one official present, stand-ins too", mode: Auto, official: []string{"node"}, standIns: true,
			origin: "debian forky",
		},
		{name: "registry answers", mode: Auto, pulls: 2, origin: "@sha256:d1"},
		{
			name: "one official present, registry answers", mode: Auto, official: []string{"node"}, pulls: 1,
			origin: ":1-slim",
		},
		{name: "unreachable", mode: Auto, pull: unreachable, pulls: 1, made: 2, origin: "debian forky"},
		{
			name: "one official present, unreachable", mode: Auto, official: []string{"python"}, pull: unreachable,
			pulls: 1, made: 2, origin: "debian forky",
		},
		{
			name: "unreachable, not root", mode: Auto, pull: unreachable, change: func(h *harness) { h.euid = 1000 },
			pulls: 1, hint: "root",
		},
		{
			name: "unreachable, not Linux", mode: Auto, pull: unreachable,
			change: func(h *harness) { h.goos = "darwin" }, pulls: 1, hint: "not Linux",
		},
		{
			name: "unreachable, remote engine", mode: Auto, pull: unreachable,
			change: func(h *harness) { h.opts.EngineIsRemote = true }, pulls: 1, hint: "another machine",
		},
		{
			name: "unreachable, no mmdebstrap", mode: Auto, pull: unreachable,
			change: func(h *harness) { h.hasTools = func() bool { return false } }, pulls: 1, hint: "mmdebstrap",
		},
		{
			name: "official, unreachable", mode: Official, standIns: true, pull: unreachable, pulls: 1,
			hint: "LAB_BASES=debian",
		},
		{name: "debian", mode: Debian, official: []string{"node", "python"}, made: 2, origin: "debian forky"},
		{
			name: "debian present, not root", mode: Debian, standIns: true, change: func(h *harness) { h.euid = 1000 },
			origin: "debian forky",
		},
		{name: "debian, not root", mode: Debian, change: func(h *harness) { h.euid = 1000 }, hint: "root"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tt.mode)
			h.addOfficial(tt.official...)
			if tt.standIns {
				h.addStandIns(t, h.runtimes...)
			}
			h.engine.pullFails = tt.pull
			if tt.change != nil {
				tt.change(h)
			}
			results := h.Ensure(t.Context(), h.runtimes)
			for name, got := range results {
				if tt.origin != "" && (got.Err != nil || !strings.Contains(got.Image.BaseOrigin, tt.origin)) {
					t.Errorf("%s: origin %q, error %v; want %q", name, got.Image.BaseOrigin, got.Err, tt.origin)
				}
				if tt.origin == "" && (got.Err == nil || !strings.Contains(got.Err.Error(), tt.hint)) {
					t.Errorf("%s: error %v, want one with %q", name, got.Err, tt.hint)
				}
			}
			if len(results) != 2 || len(h.engine.pulled) != tt.pulls || len(h.made) != tt.made {
				t.Errorf("%d results, pulled %v, made %v", len(results), h.engine.pulled, h.made)
			}
			if notice := strings.Contains(h.log.String(), "NOTICE"); notice != (tt.made > 0 && tt.mode == Auto) {
				t.Errorf("notice: %t\n%s", notice, h.log)
			}
		})
	}
}

func TestAnUnknownTagFailsOneRuntimeOnly(t *testing.T) {
	for _, bad := range []string{"node", "python"} { // the first pull, and a later one
		h := newHarness(t, Auto)
		h.engine.pullFails = func(_ context.Context, ref string, _ func()) error {
			if strings.HasPrefix(ref, bad) {
				return errors.New("manifest unknown")
			}
			return nil
		}
		for name, got := range h.Ensure(t.Context(), h.runtimes) {
			if failed := got.Err != nil; failed != (name == bad) {
				t.Errorf("%s is unknown; %s: %v", bad, name, got.Err)
			}
		}
		if len(h.made) > 0 {
			t.Errorf("stand-ins were made: %v", h.made)
		}
	}
}

func TestABaseThatCannotBeMadeFailsOneRuntimeOnly(t *testing.T) {
	tests := []struct {
		name   string
		mode   BaseMode
		change func(t *testing.T, h *harness)
		origin string // part of node's origin
		err    string // part of python's error
	}{
		{"a package that the suite lacks", Debian, func(_ *testing.T, h *harness) {
			bootstrap := h.bootstrap
			h.bootstrap = func(ctx context.Context, s standIn) (*rootFS, error) {
				if s.name == "python" {
					return nil, errors.New("unable to locate package")
				}
				return bootstrap(ctx, s)
			}
		}, "debian forky", "unable to locate package"},
		{"no suite for a stand-in", Debian, func(_ *testing.T, h *harness) {
			h.runtimes[1].Base.Suite = ""
		}, "debian forky", "names no Debian suite"},
		{"one stand-in present, not root", Debian, func(t *testing.T, h *harness) {
			h.addStandIns(t, h.runtimes[0])
			h.euid = 1000
		}, "debian forky", "not root"},
		{"one stand-in present, mmdebstrap cannot be installed", Debian, func(t *testing.T, h *harness) {
			h.addStandIns(t, h.runtimes[0])
			h.hasTools = func() bool { return false }
			h.opts.Install = func(context.Context, ...string) error { return errors.New("no mirror") }
		}, "debian forky", "install mmdebstrap: no mirror"},
		{"one official present, unreachable", Official, func(_ *testing.T, h *harness) {
			h.addOfficial("node")
			h.engine.pullFails = unreachable
		}, "node:1-slim", "no such host"},
		{"one official present, unreachable, not root", Auto, func(t *testing.T, h *harness) {
			h.addOfficial("node")
			h.engine.pullFails = unreachable
			h.addStandIns(t, h.runtimes[0]) // a base of the other kind
			h.euid = 1000
		}, "node:1-slim", "stand-ins cannot be made: not root"},
		{"one stand-in present, unreachable, not root", Auto, func(t *testing.T, h *harness) {
			h.addStandIns(t, h.runtimes[0])
			h.engine.pullFails = unreachable
			h.euid = 1000
		}, "debian forky", "stand-ins cannot be made: not root"},
		{"a reference that the engine cannot read", Official, func(_ *testing.T, h *harness) {
			h.addOfficial("node")
			h.engine.refused = "python:1-slim"
		}, "node:1-slim", "invalid reference format"},
		{"no official image", Auto, func(_ *testing.T, h *harness) {
			h.runtimes[1].Base.Official = ""
		}, "node:1-slim", "names no official image"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tt.mode)
			tt.change(t, h)
			got := h.Ensure(t.Context(), h.runtimes)
			if node := got["node"]; node.Err != nil || !strings.Contains(node.Image.BaseOrigin, tt.origin) {
				t.Errorf("node: origin %q, error %v; want %q", node.Image.BaseOrigin, node.Err, tt.origin)
			}
			var userErr *fault.Error
			if err := got["python"].Err; err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("python: error %v, want one with %q", err, tt.err)
			} else if !errors.As(err, &userErr) {
				t.Errorf("python: %v has no hint", err)
			}
		})
	}
}

func TestOfficialOrigin(t *testing.T) {
	pinned := "node@sha256:" + strings.Repeat("cd", 32)
	tests := []struct {
		ref     string
		digests []string
		want    string
	}{
		{"node:24-slim", []string{"mirror/node@sha256:ab", "node@sha256:cd"}, "node:24-slim@sha256:cd"},
		{"docker.io/library/node:24-slim", []string{"node@sha256:cd"}, "docker.io/library/node:24-slim@sha256:cd"},
		{pinned, []string{pinned}, pinned},
		{"node:24-slim", nil, "node:24-slim (no registry digest; image id sha256:1)"},
	}
	for _, tt := range tests {
		if got := officialOrigin(tt.ref, "sha256:1", tt.digests); got != tt.want {
			t.Errorf("officialOrigin(%q, %v) = %q, want %q", tt.ref, tt.digests, got, tt.want)
		}
	}
}

func TestStandInHasLabelsAndInstallsItsTools(t *testing.T) {
	h := newHarness(t, Debian)
	h.hasTools = func() bool { return false }
	var installed []string
	h.opts.Install = func(_ context.Context, names ...string) error {
		installed = names
		return nil
	}
	h.runtimes[0].Base.CAVariables = []string{"NPM_CONFIG_CAFILE", "NODE_EXTRA_CA_CERTS"}
	h.runtimes[1].Base.CAVariables = []string{"PIP_CERT"}
	got := h.Ensure(t.Context(), h.runtimes[:1])["node"]
	for origin, want := range map[string]BaseMode{
		got.Image.BaseOrigin: Debian, "scratch": Auto,
		officialOrigin("debian:forky", "sha256:1", nil): Official,
	} {
		if mode := BaseModeOf(origin); mode != want {
			t.Errorf("BaseModeOf(%q) = %s, want %s", origin, mode, want)
		}
	}
	want := "debian forky: node 1.0-node, node-tools 1.0-node-tools"
	if got.Image.BaseOrigin != want || got.Err != nil {
		t.Errorf("origin %q, error %v; want %q", got.Image.BaseOrigin, got.Err, want)
	}
	if strings.Join(installed, " ") != "mmdebstrap debian-archive-keyring" {
		t.Errorf("installed %v", installed)
	}
	changes := strings.Join(h.engine.imports[0], "\n")
	for _, want := range []string{
		"ENV NODE_EXTRA_CA_CERTS=" + debianBundle, "ENV NPM_CONFIG_CAFILE=" + debianBundle,
		"ENV SSL_CERT_FILE=" + debianBundle, "ENV PATH=", ownerLabel, baseLabel,
	} {
		if !strings.Contains(changes, want) {
			t.Errorf("changes lack %s:\n%s", want, changes)
		}
	}
	if strings.Contains(changes, "PIP_CERT") {
		t.Errorf("changes have a variable of another runtime:\n%s", changes)
	}
}

func TestAFailedStandInLeavesNoImage(t *testing.T) {
	h := newHarness(t, Debian)
	h.finishErr = errors.New("mmdebstrap: exit status 25")
	for name, got := range h.Ensure(t.Context(), h.runtimes) {
		if !errors.Is(got.Err, h.finishErr) {
			t.Errorf("%s: %v", name, got.Err)
		}
	}
	if names := h.engine.names(); len(names) > 0 {
		t.Errorf("the engine still has %v", names)
	}
}

func TestStandInHashDependsOnItsContent(t *testing.T) {
	one := standIn{name: "node", suite: "forky", packages: []string{"nodejs", "npm"}, bundle: []byte("a")}
	same := one
	same.packages = []string{"npm", "nodejs"}
	if one.hash() != same.hash() {
		t.Error("the order of packages changes the hash")
	}
	for name, change := range map[string]func(*standIn){
		"suite":    func(s *standIn) { s.suite = "sid" },
		"packages": func(s *standIn) { s.packages = []string{"nodejs"} },
		"bundle":   func(s *standIn) { s.bundle = []byte("b") },
	} {
		changed := one
		change(&changed)
		if changed.hash() == one.hash() {
			t.Errorf("%s does not change the hash", name)
		}
	}
	// content_sha256 of earlier runs is made of hashes such as this one.
	const recorded = "6849abf0a1873e9f72baa3ba1f207cadca1eeed88d5c55bad18c0fe558729cda"
	if one.hash() != recorded {
		t.Errorf("the hash is %s, was %s in earlier labs", one.hash(), recorded)
	}
}

// The variables are not part of the images of runtimes, so they must not change content_sha256. But
// a stand-in that lacks some of them cannot be shared.
func TestCAVariablesChangeTheTagOfAStandInButNotItsHash(t *testing.T) {
	of := func(bundle string, variables ...string) standIn {
		return newStandIn(lab.ImageSource{Base: lab.BaseImage{
			Suite: "forky", Packages: []string{"nodejs"}, CAVariables: variables,
		}}, []byte(bundle))
	}
	none, two := of("a"), of("a", "A_CERT", "B_CERT")
	if none.hash() != two.hash() {
		t.Error("variables change the hash")
	}
	if same := of("a", "B_CERT", "A_CERT"); same.ref() != two.ref() || none.ref() == two.ref() {
		t.Errorf("tags: %s, in another order %s, without variables %s", two.ref(), same.ref(), none.ref())
	}
	if of("").ref() != of("", "A_CERT").ref() {
		t.Error("variables change the tag where there is no bundle that they could name")
	}
}

func TestStandInRefusesInvalidNames(t *testing.T) {
	for _, bad := range []standIn{
		{suite: "", packages: []string{"nodejs"}},
		{suite: "forky"},
		{suite: "forky; reboot", packages: []string{"nodejs"}},
		{suite: "forky", packages: []string{"$(reboot)"}},
		{suite: "forky", packages: []string{"--help"}},
	} {
		if bad.validate() == nil {
			t.Errorf("%+v is valid, want an error", bad)
		}
	}
}

func TestDebianArchive(t *testing.T) {
	targets := strings.Join([]string{
		"NodeSource|NodeSource|nodistro|https://other.test/node",
		"Debian|Debian-Security|bookworm-security|http://mirror.test/debian-security/",
		"Debian|Debian|bookworm-updates|http://mirror.test/debian-updates/",
		"Debian|Debian|bookworm|http://mirror.test/debian/",
	}, "\n")
	if got, want := debianArchive(targets), "http://mirror.test/debian/"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := debianArchive("Ubuntu|Ubuntu|noble|http://mirror.test/ubuntu/\n"); got != "" {
		t.Errorf("got %q on an Ubuntu host, want no address", got)
	}
}

func TestMmdebstrapArgs(t *testing.T) {
	s := standIn{name: "node", suite: "forky", packages: []string{"nodejs", "npm"}, bundle: []byte("a")}
	args := mmdebstrapArgs(s, "http://mirror.test/debian")
	if got, want := strings.Join(args[len(args)-3:], " "), "forky - http://mirror.test/debian"; got != want {
		t.Errorf("the arguments end with %q, want %q", got, want)
	}
	all := strings.Join(args, "\n")
	for _, want := range []string{
		"--include=nodejs,npm,ca-certificates\n", `Acquire::Check-Valid-Until "false"`,
		"nodejs npm > \"$LAB_VERSIONS\"", "$LAB_CA_BUNDLE",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the arguments lack %q:\n%s", want, all)
		}
	}
	s.bundle = nil
	if strings.Contains(strings.Join(mmdebstrapArgs(s, ""), "\n"), "LAB_CA_BUNDLE") {
		t.Error("mmdebstrap copies a CA bundle that does not exist")
	}
}
