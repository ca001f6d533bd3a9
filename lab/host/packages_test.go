package host

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab/fault"
)

// freshPlan is what apt-get -s prints on a fresh Debian 12, shortened.
const freshPlan = `Reading package lists...
The following additional packages will be installed:
  containerd iptables runc
Inst runc (1.1.5+ds1-1+deb12u1 Debian:12.11/oldstable [amd64])
Inst containerd (1.6.20~ds1-1+deb12u3 Debian:12.11/oldstable [amd64])
Inst libc6 [2.36-9+deb12u9] (2.36-9+deb12u10 Debian:12.11/oldstable [amd64]) []
Inst docker.io (20.10.24+dfsg1-1+deb12u1+b6 Debian:12.11/oldstable [amd64])
Conf runc (1.1.5+ds1-1+deb12u1 Debian:12.11/oldstable [amd64])
Conf docker.io (20.10.24+dfsg1-1+deb12u1+b6 Debian:12.11/oldstable [amd64])
`

// removingPlan is what apt-get -s prints for docker.io on a machine with docker-ce.
const removingPlan = `The following packages will be REMOVED:
  containerd.io docker-ce
Remv docker-ce [5:27.3.1-1~debian.12~bookworm]
Remv containerd.io [1.7.22-1]
Inst docker.io (20.10.24+dfsg1-1+deb12u1+b6 Debian:12.11/oldstable [amd64])
E: Packages need to be removed but remove is disabled.
`

func TestReadPlan(t *testing.T) {
	installs, removes := readPlan(freshPlan)
	want := []string{
		"runc 1.1.5+ds1-1+deb12u1", "containerd 1.6.20~ds1-1+deb12u3",
		"libc6 2.36-9+deb12u10 (now 2.36-9+deb12u9)", "docker.io 20.10.24+dfsg1-1+deb12u1+b6",
	}
	if !slices.Equal(installs, want) || removes != nil {
		t.Errorf("the plan installs %q and removes %q", installs, removes)
	}
	if _, removes := readPlan(removingPlan); !slices.Equal(removes, []string{"docker-ce", "containerd.io"}) {
		t.Errorf("the plan removes %q", removes)
	}
}

// fakeRunner answers commands from a table and records them.
type fakeRunner struct {
	t        *testing.T
	answers  map[string]answer // by the beginning of the command line
	commands []string
}

type answer struct {
	out string
	err error
}

func (r *fakeRunner) run(_ context.Context, env []string, name string, args ...string) (string, error) {
	line := strings.ReplaceAll(name+" "+strings.Join(args, " "), strings.Join(aptOptions, " ")+" ", "")
	r.commands = append(r.commands, line)
	if name == "apt-get" && !slices.Contains(env, "DEBIAN_FRONTEND=noninteractive") {
		r.t.Errorf("%s may ask the user questions", line)
	}
	longest, found := "", false
	for beginning := range r.answers {
		if strings.HasPrefix(line, beginning) && len(beginning) >= len(longest) {
			longest, found = beginning, true
		}
	}
	if !found {
		r.t.Errorf("unexpected command: %s", line)
	}
	return r.answers[longest].out, r.answers[longest].err
}

func TestInstall(t *testing.T) {
	failed := errors.New("exit status 100")
	fresh := map[string]answer{
		"dpkg-query":      {"", errors.New("exit status 1")},
		"apt-get update":  {},
		"apt-get install": {out: freshPlan},
	}
	with := func(change map[string]answer) map[string]answer {
		all := map[string]answer{}
		for _, answers := range []map[string]answer{fresh, change} {
			for k, v := range answers {
				all[k] = v
			}
		}
		return all
	}
	const (
		query    = "dpkg-query -W -f=${db:Status-Status} docker.io"
		simulate = "apt-get install -s --no-install-recommends --no-remove docker.io"
		install  = "apt-get install -y --no-install-recommends --no-remove docker.io"
	)
	tests := []struct {
		name    string
		answers map[string]answer
		change  func(*aptInstaller)
		ran     []string
		err     string
		log     string
	}{
		{
			name: "fresh", answers: fresh, ran: []string{query, "apt-get update", simulate, install},
			log: "installing 4 packages (about a minute):\n  runc 1.1.5",
		},
		{
			name:    "installed already",
			answers: map[string]answer{"dpkg-query": {out: "installed"}},
			ran:     []string{query},
		},
		{
			name: "removed but configured", answers: with(map[string]answer{"dpkg-query": {out: "config-files"}}),
			ran: []string{query, "apt-get update", simulate, install},
		},
		{
			name: "would remove", answers: with(map[string]answer{"apt-get install -s": {removingPlan, failed}}),
			ran: []string{query, "apt-get update", simulate}, err: "would remove packages",
		},
		{
			name:    "would remove, and apt-get allows it",
			answers: with(map[string]answer{"apt-get install -s": {removingPlan, nil}}),
			ran:     []string{query, "apt-get update", simulate}, err: "would remove packages",
		},
		{
			name: "no such package",
			answers: with(map[string]answer{
				"apt-get install -s": {"E: Unable to locate package docker.io", failed},
			}),
			ran: []string{query, "apt-get update", simulate}, err: "Unable to locate package",
		},
		{
			name:    "one source is broken",
			answers: with(map[string]answer{"apt-get update": {"E: no Release file", failed}}),
			ran:     []string{query, "apt-get update", simulate, install}, log: "E: no Release file",
		},
		{
			name:    "the installation fails",
			answers: with(map[string]answer{"apt-get install -y": {"E: Failed to fetch", failed}}),
			ran:     []string{query, "apt-get update", simulate, install}, err: "E: Failed to fetch",
		},
		{
			name: "not root", answers: fresh, change: func(a *aptInstaller) { a.root = false }, ran: []string{query},
			err: "sudo apt-get install --no-install-recommends docker.io",
		},
		{
			name: "Fedora", answers: fresh, change: func(a *aptInstaller) { a.distribution = fedora },
			ran: []string{query}, err: "Debian and Ubuntu only",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := &fakeRunner{t: t, answers: test.answers}
			var log bytes.Buffer
			a := aptInstaller{log: &log, run: r.run, distribution: debian, root: true, os: "linux"}
			if test.change != nil {
				test.change(&a)
			}
			err := a.install(t.Context(), []string{"docker.io"})
			if !slices.Equal(r.commands, test.ran) {
				t.Errorf("ran\n%s\nwant\n%s", strings.Join(r.commands, "\n"), strings.Join(test.ran, "\n"))
			}
			if !strings.Contains(log.String(), test.log) {
				t.Errorf("printed %q, want %q in it", log.String(), test.log)
			}
			if test.err == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var userErr *fault.Error
			if !errors.As(err, &userErr) || userErr.Hint == "" || !strings.Contains(err.Error(), test.err) {
				t.Errorf("error is %v, want a fault with a hint and %q", err, test.err)
			}
		})
	}
}
