package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab/fault"
)

var (
	debian = distribution{ID: "debian", Name: "Debian GNU/Linux 12 (bookworm)"}
	ubuntu = distribution{ID: "ubuntu", Like: []string{"debian"}, Name: "Ubuntu 24.04.1 LTS"}
	mint   = distribution{ID: "linuxmint", Like: []string{"ubuntu", "debian"}}
	fedora = distribution{ID: "fedora", Name: "Fedora Linux 41"}
)

func TestPlanSteps(t *testing.T) {
	process := []step{startProcess}
	tests := []struct {
		name    string
		machine machine
		want    []step
		err     string
		hint    string
	}{
		{
			name: "fresh Debian in a container", machine: machine{OS: "linux", Root: true, Distribution: debian},
			want: []step{installEngine, startProcess},
		},
		{
			name:    "fresh Ubuntu with systemd",
			machine: machine{OS: "linux", Root: true, Distribution: ubuntu, HasSystemd: true},
			want:    []step{installEngine, startUnit},
		},
		{
			name: "fresh derivative", machine: machine{OS: "linux", Root: true, Distribution: mint},
			want: []step{installEngine, startProcess},
		},
		{
			name: "docker-ce installed, not running",
			machine: machine{
				OS: "linux", Root: true, Distribution: ubuntu, Dockerd: "/usr/bin/dockerd",
				HasSystemd: true, HasUnit: true, OtherEngines: []string{"package docker-ce", "package containerd.io"},
			},
			want: []step{startUnit},
		},
		{
			name: "an engine without a unit on a machine with systemd",
			machine: machine{
				OS: "linux", Root: true, Distribution: debian, Dockerd: "/usr/local/bin/dockerd",
				HasSystemd: true,
			},
			want: process,
		},
		{
			name:    "an engine without systemd",
			machine: machine{OS: "linux", Root: true, Distribution: debian, Dockerd: "/usr/sbin/dockerd"},
			want:    process,
		},
		{
			name: "docker-ce without its binary",
			machine: machine{
				OS: "linux", Root: true, Distribution: debian,
				OtherEngines: []string{"package docker-ce"},
			},
			err: "(package docker-ce)", hint: "start that engine",
		},
		{
			name: "Podman",
			machine: machine{
				OS: "linux", Root: true, Distribution: debian,
				OtherEngines: []string{"/usr/bin/podman", "package podman"},
			},
			err:  "another container engine is installed (/usr/bin/podman, package podman)",
			hint: "DOCKER_HOST",
		},
		{
			name: "not root", machine: machine{OS: "linux", Distribution: debian}, err: "as root only",
			hint: "sudo make engine",
		},
		{
			name:    "not root, engine installed",
			machine: machine{OS: "linux", Distribution: debian, Dockerd: "/usr/sbin/dockerd"},
			err:     "as root only", hint: "usermod -aG docker",
		},
		{
			name: "Fedora", machine: machine{OS: "linux", Root: true, Distribution: fedora},
			err: "Debian and Ubuntu only", hint: "distribution's package manager",
		},
		{
			name:    "Fedora with an engine",
			machine: machine{OS: "linux", Root: true, Distribution: fedora, Dockerd: "/usr/bin/dockerd"},
			err:     "Debian and Ubuntu only", hint: "run: sudo systemctl start docker",
		},
		{name: "macOS", machine: machine{OS: "darwin"}, err: "macOS", hint: "Docker Desktop"},
		{
			name: "an engine that runs and cannot be used",
			machine: machine{
				OS: "linux", Root: true, Distribution: debian, Dockerd: "/usr/sbin/dockerd",
				DockerdPID: 77,
			},
			err: "process 77", hint: "kill 77",
		},
	}
	cause := &fault.Error{
		Code: fault.ExitFailed, Err: errors.New("no Docker engine answers"),
		Hint: "run: make engine",
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.machine.planSteps(fmt.Errorf("connecting: %w", cause))
			if test.err == "" {
				if err != nil || !slices.Equal(got, test.want) {
					t.Errorf("steps are %q, %v; want %q", got, err, test.want)
				}
				return
			}
			var userErr *fault.Error
			if !errors.As(err, &userErr) || len(got) > 0 {
				t.Fatalf("steps are %q, error is %v; want a fault", got, err)
			}
			if !strings.Contains(userErr.Err.Error(), test.err) || !strings.Contains(userErr.Hint, test.hint) {
				t.Errorf("fault is %q with the hint %q; want %q and %q", userErr.Err, userErr.Hint, test.err, test.hint)
			}
			if !strings.Contains(err.Error(), "no Docker engine answers") ||
				strings.Contains(err.Error(), "run: make engine\n") {
				t.Errorf("the cause is missing, or its hint is repeated: %v", err)
			}
		})
	}
}

func TestParseDistribution(t *testing.T) {
	tests := []struct {
		text string
		want distribution
		apt  bool
	}{
		{"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n# comment\n", debian, true},
		{"ID=ubuntu\nID_LIKE=debian\nPRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\n", ubuntu, true},
		{"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", mint, true},
		{"ID=fedora\nPRETTY_NAME='Fedora Linux 41'\n", fedora, false},
		{"", distribution{}, false},
	}
	for _, test := range tests {
		got := parseDistribution(test.text)
		if got.ID != test.want.ID || got.Name != test.want.Name || !slices.Equal(got.Like, test.want.Like) ||
			got.usesApt() != test.apt {
			t.Errorf("%q: %+v (apt %v), want %+v (apt %v)", test.text, got, got.usesApt(), test.want, test.apt)
		}
	}
}
