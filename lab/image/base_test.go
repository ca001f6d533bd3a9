package image

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
)

func TestParseMode(t *testing.T) {
	for value, want := range map[string]BaseMode{
		"": Auto, "auto": Auto, "official": Official,
		"debian": Debian,
	} {
		if got, err := ParseBaseMode(value); got != want || err != nil {
			t.Errorf("ParseMode(%q) = %q, %v; want %q", value, got, err, want)
		}
	}
	_, err := ParseBaseMode("Debian ")
	if lab.ExitCode(err) != lab.ExitUsage {
		t.Fatalf("exit code %d, want %d", lab.ExitCode(err), lab.ExitUsage)
	}
	for _, name := range []string{"auto", "official", "debian"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
}

const noSuchHost = `Get "https://registry.test/v2/": dial tcp: lookup registry.test on 10.0.0.1:53: no such host`

func TestRegistryErrorsAreClassified(t *testing.T) {
	tests := []struct {
		message           string
		busy, unreachable bool
	}{
		{noSuchHost, false, true},
		{`Get "https://r.test/v2/": dial tcp 1.2.3.4:443: connect: connection refused`, false, true},
		{`Get "https://r.test/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)`, false, true},
		{`Get "https://r.test/v2/": net/http: TLS handshake timeout`, false, true},
		{`Get "https://r.test/v2/": x509: certificate signed by unknown authority`, false, true},
		{`Get "https://r.test/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`, false, true},
		{
			`Get "https://r.test/v2/": proxyconnect tcp: dial tcp 127.0.0.1:3128: connect: connection refused`, false,
			true,
		},
		{`Get "https://r.test/v2/": Forbidden`, false, true},
		{`Get "https://r.test/v2/": Service Unavailable`, false, true},
		{`Get "https://r.test/v2/": EOF`, false, true},
		{`failed to resolve reference "r.test/library/node:24": failed to do request: Head "https://r.test/v2/": dial tcp: lookup r.test: no such host`, false, true},
		{
			`error parsing HTTP 403 response body: invalid character '<' looking for beginning of value: "<html>"`,
			false, true,
		},
		{`toomanyrequests: You have reached your pull rate limit`, true, false},
		{`received unexpected HTTP status: 503 Service Unavailable`, true, false},
		{
			`error parsing HTTP 502 response body: invalid character '<' looking for beginning of value: "<html>"`,
			true, false,
		},
		{`unexpected status from HEAD request to https://r.test/v2/library/node/manifests/24: 429 Too Many Requests`, true, false},
		{`error parsing HTTP 504 response body: invalid character 'u' looking for beginning of value: "upstream: dial tcp 10.0.0.2:443: i/o timeout"`, true, false},
		{`manifest for node:nope not found: manifest unknown: manifest unknown`, false, false},
		{`pull access denied for nope, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`, false, false},
		{`write /var/lib/docker/tmp/x: no space left on device`, false, false},
	}
	for _, tt := range tests {
		w := newBench(t, Official)
		w.backoff = nil
		w.engine.pullStream = func(context.Context, string) (string, error) { return "", errors.New(tt.message) }
		err := w.pullOnce(t.Context(), "node:1-slim")
		if got := isUnreachable(err); got != tt.unreachable {
			t.Errorf("unreachable %t, want %t: %s", got, tt.unreachable, tt.message)
		}
		if got := isBusy(err) && !isUnreachable(err); got != tt.busy {
			t.Errorf("busy %t, want %t: %s", got, tt.busy, tt.message)
		}
	}
}

func TestPullAsksABusyRegistryAgain(t *testing.T) {
	w := newBench(t, Auto)
	asked := 0
	w.engine.pullStream = func(context.Context, string) (string, error) {
		if asked++; asked < 3 {
			return `{"status":"Pulling"}{"errorDetail":{"message":"toomanyrequests: slow down"},"error":"toomanyrequests: slow down"}{"status":"x"}`, nil
		}
		return `{"status":"done"}`, nil
	}
	if err := w.pull(t.Context(), "node:1-slim"); err != nil || asked != 3 {
		t.Fatalf("asked %d times, error %v", asked, err)
	}
}

func TestBusyRegistryIsNeverReplaced(t *testing.T) {
	w := newBench(t, Auto)
	w.engine.pullStream = func(context.Context, string) (string, error) {
		return "", errors.New("received unexpected HTTP status: 503 Service Unavailable")
	}
	for name, result := range w.Ensure(t.Context(), w.runtimes) {
		var fault *lab.Fault
		if !errors.As(result.Err, &fault) || !strings.Contains(result.Err.Error(), "503") {
			t.Errorf("%s: %v", name, result.Err)
		}
	}
	if len(w.made) > 0 {
		t.Errorf("stand-ins were made: %v", w.made)
	}
	if want := 2 * (1 + len(w.backoff)); len(w.engine.pulled) != want {
		t.Errorf("%d pulls, want %d: %v", len(w.engine.pulled), want, w.engine.pulled)
	}
}

func TestPullEndsWhenNobodyAnswers(t *testing.T) {
	w := newBench(t, Auto)
	w.engine.pullStream = func(ctx context.Context, _ string) (string, error) {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(10 * time.Second):
			return "", errors.New("the pull was not stopped")
		}
	}
	if err := w.pull(t.Context(), "node:1-slim"); !isUnreachable(err) || !errors.Is(err, errNoAnswer) {
		t.Errorf("got %v, want unreachable for want of an answer", err)
	}
}

func TestBasesOfOneKind(t *testing.T) {
	unreachable := func(context.Context, string) (string, error) { return "", errors.New(noSuchHost) }
	tests := []struct {
		name     string
		mode     BaseMode
		official []string // on the engine beforehand
		standIns bool     // on the engine beforehand
		pull     func(context.Context, string) (string, error)
		change   func(*bench)
		pulls    int
		made     int
		origin   string // part of every origin; empty: all fail
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
			name: "unreachable, not root", mode: Auto, pull: unreachable, change: func(w *bench) { w.euid = 1000 },
			pulls: 1, hint: "root",
		},
		{
			name: "unreachable, no Linux", mode: Auto, pull: unreachable, change: func(w *bench) { w.goos = "darwin" },
			pulls: 1, hint: "not Linux",
		},
		{
			name: "unreachable, remote engine", mode: Auto, pull: unreachable,
			change: func(w *bench) { w.opts.EngineIsRemote = true }, pulls: 1, hint: "another machine",
		},
		{
			name: "unreachable, no mmdebstrap", mode: Auto, pull: unreachable,
			change: func(w *bench) { w.hasTools = func() bool { return false } }, pulls: 1, hint: "mmdebstrap",
		},
		{
			name: "official, unreachable", mode: Official, standIns: true, pull: unreachable, pulls: 1,
			hint: "LAB_BASES=debian",
		},
		{name: "debian", mode: Debian, official: []string{"node", "python"}, made: 2, origin: "debian forky"},
		{
			name: "debian present, not root", mode: Debian, standIns: true, change: func(w *bench) { w.euid = 1000 },
			origin: "debian forky",
		},
		{name: "debian, not root", mode: Debian, change: func(w *bench) { w.euid = 1000 }, hint: "root"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newBench(t, tt.mode)
			w.haveOfficial(tt.official...)
			if tt.standIns {
				w.haveStandIns(t, w.runtimes...)
			}
			w.engine.pullStream = tt.pull
			if tt.change != nil {
				tt.change(w)
			}
			results := w.Ensure(t.Context(), w.runtimes)
			for name, got := range results {
				if tt.origin != "" && (got.Err != nil || !strings.Contains(got.Image.BaseOrigin, tt.origin)) {
					t.Errorf("%s: origin %q, error %v; want %q", name, got.Image.BaseOrigin, got.Err, tt.origin)
				}
				if tt.origin == "" && (got.Err == nil || !strings.Contains(got.Err.Error(), tt.hint)) {
					t.Errorf("%s: error %v, want one with %q", name, got.Err, tt.hint)
				}
			}
			if len(results) != 2 || len(w.engine.pulled) != tt.pulls || len(w.made) != tt.made {
				t.Errorf("%d results, pulled %v, made %v", len(results), w.engine.pulled, w.made)
			}
			if notice := strings.Contains(w.log.String(), "NOTICE"); notice != (tt.made > 0 && tt.mode == Auto) {
				t.Errorf("notice: %t\n%s", notice, w.log)
			}
		})
	}
}

func TestUnknownTagFailsOneRuntimeOnly(t *testing.T) {
	for _, bad := range []string{"node", "python"} { // the first to be pulled, and a later one
		w := newBench(t, Auto)
		w.engine.pullStream = func(_ context.Context, ref string) (string, error) {
			if strings.HasPrefix(ref, bad) {
				return "", errors.New("manifest unknown")
			}
			return `{"status":"done"}`, nil
		}
		for name, got := range w.Ensure(t.Context(), w.runtimes) {
			if failed := got.Err != nil; failed != (name == bad) {
				t.Errorf("%s is unknown; %s: %v", bad, name, got.Err)
			}
		}
		if len(w.made) > 0 {
			t.Errorf("stand-ins were made: %v", w.made)
		}
	}
}

func TestABaseThatCannotBeMadeFailsOneRuntimeOnly(t *testing.T) {
	unreachable := func(context.Context, string) (string, error) { return "", errors.New(noSuchHost) }
	tests := []struct {
		name   string
		mode   BaseMode
		change func(t *testing.T, w *bench)
		origin string // of node
		err    string // of python
	}{
		{"a package that the suite has not", Debian, func(_ *testing.T, w *bench) {
			others := w.bootstrap
			w.bootstrap = func(ctx context.Context, s standIn) (*rootFS, error) {
				if s.runtime == "python" {
					return nil, errors.New("unable to locate package")
				}
				return others(ctx, s)
			}
		}, "debian forky", "unable to locate package"},
		{"no suite for a stand-in", Debian, func(_ *testing.T, w *bench) {
			w.runtimes[1].Base.Suite = ""
		}, "debian forky", "names no Debian suite"},
		{"one stand-in present, not root", Debian, func(t *testing.T, w *bench) {
			w.haveStandIns(t, w.runtimes[0])
			w.euid = 1000
		}, "debian forky", "not root"},
		{"one stand-in present, mmdebstrap cannot be installed", Debian, func(t *testing.T, w *bench) {
			w.haveStandIns(t, w.runtimes[0])
			w.hasTools = func() bool { return false }
			w.opts.Install = func(context.Context, ...string) error { return errors.New("no mirror") }
		}, "debian forky", "install mmdebstrap: no mirror"},
		{"one official present, unreachable", Official, func(_ *testing.T, w *bench) {
			w.haveOfficial("node")
			w.engine.pullStream = unreachable
		}, "node:1-slim", "no such host"},
		{"one official present, unreachable, not root", Auto, func(t *testing.T, w *bench) {
			w.haveOfficial("node")
			w.engine.pullStream = unreachable
			w.haveStandIns(t, w.runtimes[0]) // the other kind
			w.euid = 1000
		}, "node:1-slim", "stand-ins cannot be made: not root"},
		{"one stand-in present, unreachable, not root", Auto, func(t *testing.T, w *bench) {
			w.haveStandIns(t, w.runtimes[0])
			w.engine.pullStream = unreachable
			w.euid = 1000
		}, "debian forky", "stand-ins cannot be made: not root"},
		{"a reference that the engine cannot read", Official, func(_ *testing.T, w *bench) {
			w.haveOfficial("node")
			w.engine.refused = "python:1-slim"
		}, "node:1-slim", "invalid reference format"},
		{"no official image", Auto, func(_ *testing.T, w *bench) {
			w.runtimes[1].Base.Official = ""
		}, "node:1-slim", "names no official image"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newBench(t, tt.mode)
			tt.change(t, w)
			got := w.Ensure(t.Context(), w.runtimes)
			if node := got["node"]; node.Err != nil || !strings.Contains(node.Image.BaseOrigin, tt.origin) {
				t.Errorf("node: origin %q, error %v; want %q", node.Image.BaseOrigin, node.Err, tt.origin)
			}
			var fault *lab.Fault
			if err := got["python"].Err; err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("python: error %v, want one with %q", err, tt.err)
			} else if !errors.As(err, &fault) {
				t.Errorf("python: %v says not what to do", err)
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

func TestStandInIsLabelledAndInstallsItsTools(t *testing.T) {
	w := newBench(t, Debian)
	w.hasTools = func() bool { return false }
	var installed []string
	w.opts.Install = func(_ context.Context, names ...string) error {
		installed = names
		return nil
	}
	got := w.Ensure(t.Context(), w.runtimes)["node"]
	for origin, want := range map[string]BaseMode{
		got.Image.BaseOrigin: Debian, "scratch": Auto,
		officialOrigin("debian:forky", "sha256:1", nil): Official,
	} {
		if mode := BaseModeOf(origin); mode != want {
			t.Errorf("%s is of %s, want %s", origin, mode, want)
		}
	}
	if want := "debian forky: node 1.0-node, node-tools 1.0-node-tools"; got.Image.BaseOrigin != want ||
		got.Err != nil {
		t.Errorf("origin %q, error %v; want %q", got.Image.BaseOrigin, got.Err, want)
	}
	if strings.Join(installed, " ") != "mmdebstrap debian-archive-keyring" {
		t.Errorf("installed %v", installed)
	}
	changes := strings.Join(w.engine.imports[0].Changes, "\n")
	for _, want := range []string{
		"NODE_EXTRA_CA_CERTS=", "NPM_CONFIG_CAFILE=", "PIP_CERT=", "SSL_CERT_FILE=",
		"ENV PATH=", ownerLabel, baseLabel,
	} {
		if !strings.Contains(changes, want) {
			t.Errorf("changes lack %s:\n%s", want, changes)
		}
	}
}

func TestStandInThatFailsLeavesNoImage(t *testing.T) {
	w := newBench(t, Debian)
	w.finishErr = errors.New("mmdebstrap: exit status 25")
	for name, got := range w.Ensure(t.Context(), w.runtimes) {
		if !errors.Is(got.Err, w.finishErr) {
			t.Errorf("%s: %v", name, got.Err)
		}
	}
	if left := w.engine.names(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestStandInHash(t *testing.T) {
	one := standIn{runtime: "node", suite: "forky", packages: []string{"nodejs", "npm"}, bundle: []byte("a")}
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
}

func TestStandInNamesAreChecked(t *testing.T) {
	for _, bad := range []standIn{
		{suite: "", packages: []string{"nodejs"}},
		{suite: "forky"},
		{suite: "forky; reboot", packages: []string{"nodejs"}},
		{suite: "forky", packages: []string{"$(reboot)"}},
		{suite: "forky", packages: []string{"--help"}},
	} {
		if bad.validate() == nil {
			t.Errorf("%+v passes", bad)
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
		t.Errorf("an Ubuntu host gives %q", got)
	}
}

func TestMmdebstrapArgs(t *testing.T) {
	s := standIn{runtime: "node", suite: "forky", packages: []string{"nodejs", "npm"}, bundle: []byte("a")}
	args := mmdebstrapArgs(s, "http://mirror.test/debian")
	if got, want := strings.Join(args[len(args)-3:], " "), "forky - http://mirror.test/debian"; got != want {
		t.Errorf("ends with %q, want %q", got, want)
	}
	all := strings.Join(args, "\n")
	for _, want := range []string{
		"--include=nodejs,npm,ca-certificates\n", `Acquire::Check-Valid-Until "false"`,
		"nodejs npm > \"$LAB_VERSIONS\"", "$LAB_CA_BUNDLE",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("lacks %q:\n%s", want, all)
		}
	}
	s.bundle = nil
	if strings.Contains(strings.Join(mmdebstrapArgs(s, ""), "\n"), "LAB_CA_BUNDLE") {
		t.Error("copies a CA bundle that there is not")
	}
}
