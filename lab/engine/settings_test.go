package engine

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
)

// A key that an engine's API has and the table does not is found when the API is
// updated, and not by a figure.
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
	for _, of := range []any{container.Config{}, dockerspec.DockerOCIImageConfig{}} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(of)) {
			if !field.Anonymous && known[field.Name] == 0 {
				t.Errorf("%T.%s has no row", of, field.Name)
			}
		}
	}
}

func TestCheckSettings(t *testing.T) {
	for name, c := range map[string]struct {
		config  string
		volumes []string
		says    []string // none: it is not refused
	}{
		"nothing":         {config: `null`},
		"an empty object": {config: `{}`},
		"an official Node": {config: `{"Env": ["NODE_VERSION=24.4.1"], "Entrypoint": ["docker-entrypoint.sh"],
			"Cmd": ["node"]}`},
		"an old engine's": {config: `{"Hostname": "328c36976109", "Domainname": "", "User": "65532", "AttachStdin": false,
			"Tty": true, "OpenStdin": true, "StdinOnce": false, "Env": null, "Cmd": null, "Image": "sha256:0e74",
			"Volumes": null, "WorkingDir": "/app", "Entrypoint": null, "OnBuild": null, "Labels": {"a": "b"}}`},
		"what strangers set": {config: `{"ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGQUIT", "ArgsEscaped": true,
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
		"volumes alike": {
			config:  `{"Volumes": {"/data": {}, "/database": {}}}`,
			volumes: []string{"/data", "/database"},
		},
		"an unknown, unset": {config: `{"Turbo": null, "A": false, "B": 0, "C": "", "D": [], "E": {}}`},
		"an unknown flag": {
			config: `{"Turbo": true}`,
			says:   []string{"image x: it sets Turbo (true), a setting that this lab does not know"},
		},
		"an unknown list":   {config: `{"Hooks": ["/bin/x"]}`, says: []string{"Hooks ([/bin/x])"}},
		"an unknown object": {config: `{"Resources": {"CPU": 0}}`, says: []string{"Resources (map[CPU:0])"}},
		"several":           {config: `{"B": 1, "A": "on", "User": "1"}`, says: []string{"A (on)", "B (1)"}},
		"another spelling":  {config: `{"volumes": {"/data": {}}}`, says: []string{"volumes (map[/data:map[]])"}},
		"a volume in one": {
			config: `{"Volumes": {"/a/b/": {}, "/a": {}}}`,
			says:   []string{"VOLUME /a/b/ is inside VOLUME /a"},
		},
		"a relative one": {
			config: `{"Volumes": {"a/b": {}, "/a": {}}}`,
			says:   []string{"VOLUME a/b is inside VOLUME /a"},
		},
		"everything": {
			config: `{"Volumes": {"/": {}}}`,
			says:   []string{"VOLUME / covers the whole file system"},
		},
		"a run's label": {
			config: `{"Labels": {"io.runtime-lab.run": "x"}}`,
			says:   []string{"the label io.runtime-lab.run"},
		},
		"the owner's label":  {config: `{"Labels": {"io.runtime-lab.owner": "runtime-lab"}}`},
		"no object at all":   {config: `"x"`, says: []string{"reading the configuration of image x"}},
		"a refused and a VO": {config: `{"Volumes": {"/data": {}}, "Turbo": 1}`, says: []string{"Turbo (1)"}},
	} {
		t.Run(name, func(t *testing.T) {
			volumes, err := checkSettings("x", fmt.Appendf(nil, `{"Id": "sha256:1", "Config": %s}`, c.config))
			if refused := err != nil; refused != (len(c.says) > 0) || !slices.Equal(volumes, c.volumes) {
				t.Fatalf("volumes %q, error %v; want volumes %q, refused %t", volumes, err, c.volumes, len(c.says) > 0)
			}
			for _, want := range c.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %q", err, want)
				}
			}
			if len(c.says) > 0 && c.config != `"x"` && lab.ExitCode(err) != lab.ExitUsage {
				t.Errorf("exit code %d", lab.ExitCode(err))
			}
		})
	}
}

// What the table says is replaced is replaced in whatever the lab creates, with
// and without modifiers.
func TestNeutralise(t *testing.T) {
	for name, req := range map[string]testcontainers.ContainerRequest{
		"a server": {HostConfigModifier: func(h *container.HostConfig) { harden(h, 1024) }},
		"a generator": {
			ConfigModifier:     func(c *container.Config) { c.User = agentUser },
			HostConfigModifier: func(h *container.HostConfig) { harden(h, 0) },
		},
		"the least": {},
	} {
		t.Run(name, func(t *testing.T) {
			var c container.Config
			var h container.HostConfig
			neutralise(&req, []string{"id:ro"})
			req.ConfigModifier(&c)
			req.HostConfigModifier(&h)
			none := c.Healthcheck != nil && slices.Equal(c.Healthcheck.Test, []string{"NONE"})
			if !none || c.StopSignal != "SIGKILL" {
				t.Errorf("health check %+v, stop signal %q", c.Healthcheck, c.StopSignal)
			}
			if !slices.Equal(h.VolumesFrom, []string{"id:ro"}) {
				t.Errorf("volumes from %q", h.VolumesFrom)
			}
			if name == "a generator" && c.User != agentUser || name != "the least" && !h.ReadonlyRootfs {
				t.Errorf("the request's own settings are gone: %+v %+v", c, h)
			}
		})
	}
}
