package docker

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/api/types/container"
	"github.com/testcontainers/testcontainers-go"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// An update of the API that adds a key must fail here, not disturb measurements unnoticed.
func TestEverySettingOfTheAPIHasARow(t *testing.T) {
	known := map[string]int{}
	for _, s := range settings {
		known[s.key]++
		if s.effect == "" || s.about == "" {
			t.Errorf("%s: effect %q, about %q", s.key, s.effect, s.about)
		}
	}
	for key, n := range known {
		if n > 1 {
			t.Errorf("%s has %d rows", key, n)
		}
	}
	for _, config := range []any{container.Config{}, dockerspec.DockerOCIImageConfig{}} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(config)) {
			if !field.Anonymous && known[field.Name] == 0 {
				t.Errorf("%T.%s has no row in settings", config, field.Name)
			}
		}
	}
}

func TestCheckSettings(t *testing.T) {
	for name, c := range map[string]struct {
		config  string
		volumes []string
		errs    []string // parts of the error; none if the image is accepted
	}{
		"nothing":         {config: `null`},
		"an empty object": {config: `{}`},
		"an official Node": {config: `{"Env": ["NODE_VERSION=24.4.1"], "Entrypoint": ["docker-entrypoint.sh"],
			"Cmd": ["node"]}`},
		"an old engine's": {config: `{"Hostname": "328c36976109", "Domainname": "", "User": "65532",
			"AttachStdin": false, "Tty": true, "OpenStdin": true, "StdinOnce": false, "Env": null, "Cmd": null,
			"Image": "sha256:0e74",
			"Volumes": null, "WorkingDir": "/app", "Entrypoint": null, "OnBuild": null, "Labels": {"a": "b"}}`},
		"settings of other builders": {config: `{"ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGQUIT",
			"ArgsEscaped": true,
			"Healthcheck": {"Test": ["CMD-SHELL", "curl localhost"], "Interval": 1000000000},
			"OnBuild": ["RUN make"], "Shell": ["/bin/bash", "-c"]}`},
		"limits": {config: `{"Memory": 1048576, "MemorySwap": -1, "CpuShares": 2, "Cpuset": "0"}`},
		"volumes": {
			config:  `{"Volumes": {"/var/lib/b": {}, "/data": {}}}`,
			volumes: []string{"/data", "/var/lib/b"},
		},
		"a volume twice": {
			config:  `{"Volumes": {"/data/": {}, "/data": {}}}`,
			volumes: []string{"/data", "/data/"},
		},
		"volumes with a common prefix": {
			config:  `{"Volumes": {"/data": {}, "/database": {}}}`,
			volumes: []string{"/data", "/database"},
		},
		"unknown keys without a value": {config: `{"Turbo": null, "A": false, "B": 0, "C": "", "D": [], "E": {}}`},
		"an unknown flag": {
			config: `{"Turbo": true}`,
			errs:   []string{"image x: it sets Turbo (true), which this lab does not know"},
		},
		"an unknown list": {config: `{"Hooks": ["/bin/x"]}`, errs: []string{"Hooks ([/bin/x])"}},
		"an unknown object": {
			config: `{"Resources": {"CPU": 0}}`,
			errs:   []string{"Resources (map[CPU:0])"},
		},
		"several unknown keys": {
			config: `{"B": 1, "A": "on", "User": "1"}`,
			errs:   []string{"A (on)", "B (1)"},
		},
		"a key in another spelling": {
			config: `{"volumes": {"/data": {}}}`,
			errs:   []string{"volumes (map[/data:map[]])"},
		},
		"a volume inside another": {
			config: `{"Volumes": {"/a/b/": {}, "/a": {}}}`,
			errs:   []string{"VOLUME /a/b/ is inside VOLUME /a"},
		},
		"a relative volume inside another": {
			config: `{"Volumes": {"a/b": {}, "/a": {}}}`,
			errs:   []string{"VOLUME a/b is inside VOLUME /a"},
		},
		"the root as a volume": {
			config: `{"Volumes": {"/": {}}}`,
			errs:   []string{"VOLUME / covers the whole file system"},
		},
		"a run's label": {
			config: `{"Labels": {"io.runtime-lab.run": "x"}}`,
			errs:   []string{"the label io.runtime-lab.run"},
		},
		"the lab's owner label": {config: `{"Labels": {"io.runtime-lab.owner": "runtime-lab"}}`},
		"not an object":         {config: `"x"`, errs: []string{"reading the configuration of image x"}},
		"a volume and an unknown key": {
			config: `{"Volumes": {"/data": {}}, "Turbo": 1}`,
			errs:   []string{"Turbo (1)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			volumes, err := checkSettings("x", fmt.Appendf(nil, `{"Id": "sha256:1", "Config": %s}`, c.config))
			if refused := err != nil; refused != (len(c.errs) > 0) || !slices.Equal(volumes, c.volumes) {
				t.Fatalf("volumes %q, error %v; want volumes %q, refused %t", volumes, err, c.volumes, len(c.errs) > 0)
			}
			for _, want := range c.errs {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error is %v, want one with %q", err, want)
				}
			}
			if len(c.errs) > 0 && c.config != `"x"` && fault.ExitCode(err) != fault.ExitUsage {
				t.Errorf("exit code %d", fault.ExitCode(err))
			}
		})
	}
}

// Every container that the lab creates needs the replaced values, with and without modifiers.
func TestImageSettingsAreOverridden(t *testing.T) {
	for name, req := range map[string]testcontainers.ContainerRequest{
		"a server": {HostConfigModifier: func(h *container.HostConfig) { harden(h, 1024) }},
		"a generator": {
			ConfigModifier:     func(c *container.Config) { c.User = lab.AgentUser },
			HostConfigModifier: func(h *container.HostConfig) { harden(h, 0) },
		},
		"no modifiers": {},
	} {
		t.Run(name, func(t *testing.T) {
			var c container.Config
			var h container.HostConfig
			overrideImageSettings(&req, []string{"id:ro"})
			req.ConfigModifier(&c)
			req.HostConfigModifier(&h)
			noCheck := c.Healthcheck != nil && slices.Equal(c.Healthcheck.Test, []string{"NONE"})
			if !noCheck || c.StopSignal != "SIGKILL" {
				t.Errorf("health check %+v, stop signal %q", c.Healthcheck, c.StopSignal)
			}
			if !slices.Equal(h.VolumesFrom, []string{"id:ro"}) {
				t.Errorf("volumes from %q", h.VolumesFrom)
			}
			if name == "a generator" && c.User != lab.AgentUser || name != "no modifiers" && !h.ReadonlyRootfs {
				t.Errorf("the request's settings are lost: %+v %+v", c, h)
			}
		})
	}
}
