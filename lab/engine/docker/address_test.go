package docker

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab/fault"
)

// workContextID is the SHA-256 of "work", the name of the folder in which docker stores that
// context.
const workContextID = "00e13ed7af55b27622f1d6eab5bec0147e68efe28dc2b12461117afa1a5ed40e"

func write(t *testing.T, text string, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestResolve(t *testing.T) {
	const (
		metaUnix = `{"Name":"work","Metadata":{},` +
			`"Endpoints":{"docker":{"Host":"unix:///work.sock","SkipTLSVerify":false}}}`
		metaTCP = `{"Name":"work","Endpoints":{"docker":{"Host":"tcp://build:2376","SkipTLSVerify":true}}}`
	)
	type files map[string]string
	meta := ".docker/contexts/meta/" + workContextID + "/meta.json"
	tests := []struct {
		name  string
		env   map[string]string
		files files
		want  Address
		tls   *TLS // HOME in Dir is replaced by the home directory
		err   string
	}{
		{
			name: "nothing configured", want: Address{Host: "unix://HOME/var/docker.sock", Origin: "default socket"},
		},
		{
			name:  "only the user's socket exists",
			files: files{".docker/run/docker.sock": ""},
			want:  Address{Host: "unix://HOME/.docker/run/docker.sock", Origin: "socket of this user"},
		},
		{
			name:  "the machine's socket comes before the user's",
			files: files{".docker/run/docker.sock": "", "var/docker.sock": ""},
			want:  Address{Host: "unix://HOME/var/docker.sock", Origin: "default socket"},
		},
		{
			name:  "DOCKER_HOST outranks every context",
			env:   map[string]string{"DOCKER_HOST": "unix:///a.sock", "DOCKER_CONTEXT": "work"},
			files: files{meta: metaUnix, ".docker/config.json": `{"currentContext":"work"}`},
			want:  Address{Host: "unix:///a.sock", Origin: "DOCKER_HOST", Explicit: true},
		},
		{
			name: "DOCKER_HOST with TLS",
			env: map[string]string{
				"DOCKER_HOST": "tcp://far:2376", "DOCKER_TLS_VERIFY": "1",
				"DOCKER_CERT_PATH": "/certs",
			},
			want: Address{Host: "tcp://far:2376", Origin: "DOCKER_HOST", Explicit: true},
			tls:  &TLS{Dir: "/certs"},
		},
		{
			name: "DOCKER_HOST with unverified TLS",
			env:  map[string]string{"DOCKER_HOST": "tcp://far:2376", "DOCKER_CERT_PATH": "/certs"},
			want: Address{Host: "tcp://far:2376", Origin: "DOCKER_HOST", Explicit: true},
			tls:  &TLS{Dir: "/certs", SkipVerify: true},
		},
		{
			name: "TLS files come from the configuration by default",
			env:  map[string]string{"DOCKER_HOST": "tcp://far:2376", "DOCKER_TLS_VERIFY": "1"},
			want: Address{Host: "tcp://far:2376", Origin: "DOCKER_HOST", Explicit: true},
			tls:  &TLS{Dir: "HOME/.docker"},
		},
		{
			name: "TLS variables do not apply to a socket",
			env:  map[string]string{"DOCKER_HOST": "unix:///a.sock", "DOCKER_TLS_VERIFY": "1"},
			want: Address{Host: "unix:///a.sock", Origin: "DOCKER_HOST", Explicit: true},
		},
		{
			name:  "DOCKER_CONTEXT outranks the current context",
			env:   map[string]string{"DOCKER_CONTEXT": "work"},
			files: files{meta: metaUnix, ".docker/config.json": `{"currentContext":"other"}`},
			want:  Address{Host: "unix:///work.sock", Origin: "DOCKER_CONTEXT=work", Explicit: true},
		},
		{
			name:  "DOCKER_CONTEXT=default is the socket",
			env:   map[string]string{"DOCKER_CONTEXT": "default"},
			files: files{meta: metaUnix, ".docker/config.json": `{"currentContext":"work"}`},
			want:  Address{Host: "unix://HOME/var/docker.sock", Origin: "default socket"},
		},
		{
			name:  "the current context",
			files: files{meta: metaUnix, ".docker/config.json": `{"auths":{},"currentContext":"work"}`},
			want:  Address{Host: "unix:///work.sock", Origin: "context work", Explicit: true},
		},
		{
			name: "a context's TLS",
			files: files{
				meta: metaTCP, ".docker/config.json": `{"currentContext":"work"}`,
				".docker/contexts/tls/" + workContextID + "/docker/ca.pem": "",
			},
			want: Address{Host: "tcp://build:2376", Origin: "context work", Explicit: true},
			tls:  &TLS{Dir: "HOME/.docker/contexts/tls/" + workContextID + "/docker", SkipVerify: true},
		},
		{
			name: "DOCKER_CONFIG moves the configuration",
			env:  map[string]string{"DOCKER_CONFIG": "HOME/elsewhere"},
			files: files{
				"elsewhere/config.json":                                   `{"currentContext":"work"}`,
				"elsewhere/contexts/meta/" + workContextID + "/meta.json": metaUnix,
			},
			want: Address{Host: "unix:///work.sock", Origin: "context work", Explicit: true},
		},
		{
			name: "a context that does not exist", env: map[string]string{"DOCKER_CONTEXT": "wrok"},
			err: `reading the docker context "wrok"`,
		},
		{name: "a broken configuration", files: files{".docker/config.json": `{`}, err: "config.json"},
		{
			name: "a context without an endpoint", env: map[string]string{"DOCKER_CONTEXT": "work"},
			files: files{meta: `{}`}, err: "has no docker endpoint",
		},
		{name: "no scheme", env: map[string]string{"DOCKER_HOST": "/var/run/docker.sock"}, err: "has no scheme"},
		{
			name: "unknown scheme", env: map[string]string{"DOCKER_HOST": "npipe:////./pipe/docker"},
			err: "has an unsupported scheme",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			home := t.TempDir()
			for name, text := range test.files {
				write(t, text, home, name)
			}
			inHome := func(s string) string { return strings.ReplaceAll(s, "HOME", home) }
			s := environment{
				getenv: func(name string) string {
					value := test.env[name]
					if strings.HasPrefix(value, "HOME") {
						value = inHome(value)
					}
					return value
				},
				home:    home,
				sockets: []string{filepath.Join(home, "var/docker.sock"), filepath.Join(home, ".docker/run/docker.sock")},
			}
			got, err := s.resolve()
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error is %v, want one with %q", err, test.err)
				}
				if fault.ExitCode(err) != fault.ExitFailed {
					t.Errorf("exit code is %d", fault.ExitCode(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Host != inHome(test.want.Host) || got.Origin != test.want.Origin ||
				got.Explicit != test.want.Explicit {
				t.Errorf("address is %+v, want %+v", got, test.want)
			}
			switch {
			case (got.TLS == nil) != (test.tls == nil):
				t.Errorf("TLS is %+v, want %+v", got.TLS, test.tls)
			case test.tls != nil && (got.TLS.Dir != inHome(test.tls.Dir) || got.TLS.SkipVerify != test.tls.SkipVerify):
				t.Errorf("TLS is %+v, want %+v", *got.TLS, *test.tls)
			}
		})
	}
}

func TestResolveReadsTheEnvironment(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("DOCKER_CONFIG", "")
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONTEXT", "work")
	write(t, `{"Endpoints":{"docker":{"Host":"ssh://me@far"}}}`,
		home, ".docker/contexts/meta", workContextID, "meta.json")
	a, err := Resolve()
	if err != nil || a.Host != "ssh://me@far" {
		t.Fatalf("resolved %+v, %v", a, err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("closing an address before it was connected: %v", err)
	}
}

func TestSSHArguments(t *testing.T) {
	for host, want := range map[string]string{
		"ssh://far":         "-o ConnectTimeout=30 -T -- far docker system dial-stdio",
		"ssh://me@far:2222": "-o ConnectTimeout=30 -T -l me -p 2222 -- far docker system dial-stdio",
		"ssh://me@far/run/user/1/docker.s": "-o ConnectTimeout=30 -T -l me -- far docker " +
			"--host=unix:///run/user/1/docker.s system dial-stdio",
	} {
		got, err := sshArguments(host)
		if err != nil || !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %q, %v; want %q", host, got, err, want)
		}
	}
	for _, host := range []string{"ssh://me:secret@far", "ssh://", "ssh://far?x=1"} {
		if args, err := sshArguments(host); err == nil {
			t.Errorf("%s gives %q", host, args)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
}

// pretendEngine answers the API calls that Connect makes.
type pretendEngine struct {
	api, version, info string
}

func (p pretendEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.api != "" {
		w.Header().Set("Api-Version", p.api)
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/_ping"):
	case strings.HasSuffix(r.URL.Path, "/version"):
		_, _ = w.Write([]byte(p.version))
	case strings.HasSuffix(r.URL.Path, "/info"):
		_, _ = w.Write([]byte(p.info))
	default:
		http.NotFound(w, r)
	}
}
