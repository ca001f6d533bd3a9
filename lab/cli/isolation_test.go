package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/engine"
	"runtimelab/lab/experiment"
)

// probe is a server that tries what it must not be able to do, and tells.
const probe = `
const http = require('http'), fs = require('fs'), net = require('net'), os = require('os');
const attempt = (does) => { try { does(); return 'done'; } catch (e) { return e.code; } };
const connect = (host, port) => new Promise((told) => {
  const s = net.connect({ host, port, timeout: 1000 });
  s.on('connect', () => told('done')).on('error', (e) => told(e.code)).on('timeout', () => told('no answer'));
});
const first = (...paths) => { for (const p of paths) try { return fs.readFileSync(p, 'utf8').trim(); } catch {} return ''; };
const status = Object.fromEntries(first('/proc/self/status').split('\n').map((l) => l.split(/:\s*/)));
http.createServer(async (request, response) => response.end(JSON.stringify({
  uid: process.getuid(), status, env: process.env,
  links: Object.keys(os.networkInterfaces()), routes: first('/proc/net/route').split('\n').slice(1),
  out: await connect('192.0.2.1', 80),
  writes: Object.fromEntries(['/x', '/etc/x', '/app/x', '/usr/bin/x', '/proc/sys/kernel/hostname'].map((p) => [p, attempt(() => fs.writeFileSync(p, 'x'))])),
  kill: attempt(() => process.kill(1, 'SIGKILL')),
  chown: attempt(() => fs.chownSync('/app', 0, 0)),
  engine: ['/var/run/docker.sock', '/run/docker.sock', '/run/containerd/containerd.sock'].filter((p) => fs.existsSync(p)),
  devices: fs.readdirSync('/dev'),
  limits: first('/proc/self/limits'),
  memory: first('/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/memory.max'),
  pids: first('/sys/fs/cgroup/pids/pids.max', '/sys/fs/cgroup/pids.max'),
}))).listen(8080, '127.0.0.1');
`

// found is what a probe tells.
type found struct {
	UID     int               `json:"uid"`
	Status  map[string]string `json:"status"`
	Env     map[string]string `json:"env"`
	Links   []string          `json:"links"`
	Routes  []string          `json:"routes"`
	Out     string            `json:"out"`
	Writes  map[string]string `json:"writes"`
	Kill    string            `json:"kill"`
	Chown   string            `json:"chown"`
	Engine  []string          `json:"engine"`
	Devices []string          `json:"devices"`
	Limits  string            `json:"limits"`
	Memory  string            `json:"memory"`
	PIDs    string            `json:"pids"`
}

// A server is a stranger's program: it is tried what one can do from inside the
// container that servers are measured in.
func TestIntegrationAServerCanReachAndChangeNothing(t *testing.T) {
	expectIsolated(t)
}

func expectIsolated(t *testing.T) {
	t.Helper()
	const secret = "of-this-host-alone"
	t.Setenv("LAB_TEST_SECRET", secret)
	inTestSession(t, func(ctx context.Context, s *session) {
		node := application(ctx, t, s, "node")
		node.variant.Name, node.variant.Command = "probe", []string{"node", "-e", probe}
		node.target = lab.Target{Request: lab.Request{Method: http.MethodGet, Path: "/"}, Status: http.StatusOK}
		s.inCell(ctx, t, node, func(c *cell, _ experiment.Server) {
			answers, err := c.Send(ctx, []lab.Request{node.target.Request})
			if err != nil {
				t.Fatal(err)
			}
			var tells found
			if err := json.Unmarshal(answers[0].Body, &tells); err != nil {
				t.Fatalf("%v in %s %s", err, answers[0].Body, answers[0].Error)
			}
			for _, wrong := range tells.wrong(secret, s.nofile) {
				t.Error(wrong)
			}
			for _, wrong := range openedOutwards(ctx, t, s) {
				t.Error(wrong)
			}
		})
	})
}

// wrong is what of a probe's findings should not be.
func (f found) wrong(secret string, nofile int) (all []string) {
	expect := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			all = append(all, fmt.Sprintf("%s: %v, want %v", what, got, want))
		}
	}
	expect("its user", f.UID, 65532)
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		expect("capabilities "+set, f.Status[set], "0000000000000000")
	}
	expect("no new privileges", f.Status["NoNewPrivs"], 1)
	expect("interfaces", f.Links, []string{"lo"})
	expect("routes", len(f.Routes), 0)
	expect("a way out", f.Out, "ENETUNREACH")
	for path, came := range f.Writes {
		if came == "done" {
			all = append(all, "it wrote to "+path)
		}
	}
	expect("killing the generator", f.Kill, "EPERM")
	if f.Chown == "done" {
		all = append(all, "it gave /app away")
	}
	expect("sockets of the engine", len(f.Engine), 0)
	for _, device := range f.Devices {
		if strings.HasPrefix(device, "sd") || strings.HasPrefix(device, "vd") || strings.HasPrefix(device,
			"nvme") || device == "kvm" || device == "mem" {
			all = append(all, "it has the device "+device)
		}
	}
	for name, value := range f.Env {
		if strings.Contains(value, secret) || strings.Contains(strings.ToUpper(name), "PROXY") {
			all = append(all, "it has the host's "+name)
		}
	}
	expect("its memory", f.Memory, engine.ServerMemory)
	expect("its processes", f.PIDs, 512)
	if want := fmt.Sprint(nofile); !slices.ContainsFunc(strings.Split(f.Limits, "\n"), func(line string) bool {
		fields := strings.Fields(line)
		return strings.HasPrefix(line, "Max open files") && fields[3] == want && fields[4] == want
	}) {
		all = append(all, "its limit of open files is not "+want+":\n"+f.Limits)
	}
	return all
}

// openedOutwards is what of a session's containers can be reached from outside.
func openedOutwards(ctx context.Context, t *testing.T, s *session) (all []string) {
	t.Helper()
	c := s.engine.Client()
	listed, err := c.ContainerList(ctx, client.ContainerListOptions{
		All:     true,
		Filters: make(client.Filters).Add("label", "io.runtime-lab.run="+s.id),
	})
	if err != nil || len(listed.Items) < 4 { // lease, lock, generator, server
		t.Fatalf("%d containers, error %v", len(listed.Items), err)
	}
	for _, x := range listed.Items {
		inspected, err := c.ContainerInspect(ctx, x.ID, client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		h := inspected.Container.HostConfig
		if len(x.Ports) > 0 || len(h.PortBindings) > 0 || h.PublishAllPorts || h.Privileged || len(h.Binds) > 0 ||
			len(h.Devices) > 0 {
			all = append(all, fmt.Sprintf("%s: ports %v, bindings %v, privileged %v, binds %v",
				x.Labels["io.runtime-lab.role"], x.Ports, h.PortBindings, h.Privileged, h.Binds))
		}
		if mode := h.NetworkMode; !mode.IsNone() && !mode.IsContainer() {
			all = append(all, fmt.Sprintf("%s: is on network %s", x.Labels["io.runtime-lab.role"], mode))
		}
	}
	return all
}

// What is not the lab's stays, however much it looks as if it were.
func TestIntegrationForeignContainersAndImagesStay(t *testing.T) {
	root := checkout(t)
	onOneVariant(t, root, "[peak(connections = 4)]")
	c := needEngine(t).Client()
	var foreign map[string]func() error
	inTestSession(t, func(ctx context.Context, s *session) { foreign = foreignThings(ctx, t, c, s.agent.Ref) })
	// after the session, during which no image would be removed
	for _, command := range []string{"clean", "doctor"} {
		if code, _, stderr := labRun(t.Context(), command, "--root", root); code != lab.ExitOK {
			t.Fatalf("%s: exit code %d\n%s", command, code, stderr)
		}
	}
	for name, there := range foreign {
		if err := there(); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}

// foreignThings makes things with names and labels like the lab's, and returns how
// to see that they are there. They go with the test.
func foreignThings(ctx context.Context, t *testing.T, c *client.Client,
	agent string,
) map[string]func() error {
	t.Helper()
	background := context.WithoutCancel(ctx)
	there := make(map[string]func() error)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, labels := range map[string]map[string]string{
		"runtime-lab-measuring-of-others": nil,
		"runtime-lab-server": {
			"io.runtime-lab.owner": "somebody-else", "io.runtime-lab.run": "x",
			"io.runtime-lab.role": "server",
		},
		"runtime-lab-of-no-run": {"io.runtime-lab.owner": "runtime-lab"},
		"runtime-lab-by-role":   {"io.runtime-lab.role": "lease", "io.runtime-lab.run": "y"},
	} {
		created, err := c.ContainerCreate(ctx, client.ContainerCreateOptions{
			Name: name, Config: &container.Config{Image: agent, Cmd: []string{"/agent"}, Labels: labels},
			HostConfig: &container.HostConfig{NetworkMode: "none"},
		})
		must(err)
		t.Cleanup(func() {
			if _, err := c.ContainerRemove(background, created.ID,
				client.ContainerRemoveOptions{Force: true}); err != nil {
				t.Error(err)
			}
		})
		there["container "+name] = func() error {
			_, err := c.ContainerInspect(ctx, created.ID, client.ContainerInspectOptions{})
			return err
		}
	}
	volume, err := c.VolumeCreate(ctx, client.VolumeCreateOptions{Name: "runtime-lab"})
	must(err)
	t.Cleanup(func() {
		if _, err := c.VolumeRemove(background, volume.Volume.Name, client.VolumeRemoveOptions{}); err != nil {
			t.Error(err)
		}
	})
	there["volume"] = func() error {
		_, err := c.VolumeInspect(ctx, "runtime-lab", client.VolumeInspectOptions{})
		return err
	}
	const image = "runtime-lab-of-others:1"
	imported, err := c.ImageImport(ctx,
		client.ImageImportSource{Source: bytes.NewReader(make([]byte, 1024)), SourceName: "-"}, image,
		client.ImageImportOptions{Changes: []string{"LABEL io.runtime-lab.owner=runtime-lab"}})
	must(err)
	_, err = io.Copy(io.Discard, imported)
	must(err)
	t.Cleanup(func() {
		if _, err := c.ImageRemove(background, image, client.ImageRemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	})
	there["image"] = func() error {
		_, err := c.ImageInspect(ctx, image)
		return err
	}
	return there
}
