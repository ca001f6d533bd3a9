package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/experiment"
	"runtimelab/lab/fault"
	"runtimelab/lab/session"
)

// probeScript is a server that tries what it must not be able to do, and answers with the
// results. It passes a request to /beside on to a service that runs it too.
const probeScript = `
const http = require('http'), fs = require('fs'), net = require('net'), os = require('os');
const attempt = (action) => { try { action(); return 'done'; } catch (e) { return e.code; } };
const connect = (host, port) => new Promise((resolve) => {
  const s = net.connect({ host, port, timeout: 1000 });
  s.on('connect', () => resolve('done')).on('error', (e) => resolve(e.code));
  s.on('timeout', () => resolve('no answer'));
});
const first = (...paths) => {
  for (const p of paths) try { return fs.readFileSync(p, 'utf8').trim(); } catch {}
  return '';
};
const readOnly = ['/x', '/etc/x', '/app/x', '/usr/bin/x', '/proc/sys/kernel/hostname'];
const sockets = ['/var/run/docker.sock', '/run/docker.sock', '/run/containerd/containerd.sock'];
const status = Object.fromEntries(first('/proc/self/status').split('\n').map((l) => l.split(/:\s*/)));
const forward = async () => (await fetch('http://127.0.0.1:5433/')).text();
const look = async () => JSON.stringify({
  uid: process.getuid(), status, env: process.env,
  links: Object.keys(os.networkInterfaces()), routes: first('/proc/net/route').split('\n').slice(1),
  out: await connect('192.0.2.1', 80),
  writes: Object.fromEntries(readOnly.map((p) => [p, attempt(() => fs.writeFileSync(p, 'x'))])),
  kill: attempt(() => process.kill(1, 'SIGKILL')),
  chown: attempt(() => fs.chownSync('/app', 0, 0)),
  engine: sockets.filter((p) => fs.existsSync(p)),
  devices: fs.readdirSync('/dev'),
  limits: first('/proc/self/limits'),
  memory: first('/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/memory.max'),
  pids: first('/sys/fs/cgroup/pids/pids.max', '/sys/fs/cgroup/pids.max'),
});
http.createServer(async (request, response) =>
  response.end(await (request.url === '/beside' ? forward() : look()))).listen(process.env.PORT, '127.0.0.1');
`

// probeResult is the answer of probeScript.
type probeResult struct {
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

func TestIntegrationAServerCanReachAndChangeNothing(t *testing.T) {
	expectIsolated(t)
}

// expectIsolated runs probeScript as a server and as a database beside it, and expects that every
// attempt fails.
func expectIsolated(t *testing.T) {
	t.Helper()
	const secret = "secret-of-the-host"
	t.Setenv("LAB_TEST_SECRET", secret)
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		node := application(ctx, t, s, "node")
		node.variant.Name, node.variant.Command = "probe", []string{"node", "-e", probeScript}
		node.target = lab.Target{Request: lab.Request{Method: http.MethodGet, Path: "/"}, Status: http.StatusOK}
		database := lab.Service{
			Role: lab.RoleDatabase, Name: "probe", Image: node.image, Command: node.variant.Command,
			Env: map[string]string{"PORT": "5433"}, User: "999:999", Port: 5433,
			Ready: &lab.Readiness{Request: &node.target.Request}, MemoryBytes: lab.ServerMemory,
		}
		inCell(ctx, t, s, node, func(c experiment.Cell) {
			answers, err := c.Send(ctx, []lab.Request{node.target.Request, {Method: http.MethodGet, Path: "/beside"}})
			if err != nil {
				t.Fatal(err)
			}
			for i, uid := range []int{65532, 999} {
				var result probeResult
				if err := json.Unmarshal(answers[i].Body, &result); err != nil {
					t.Fatalf("%v in %s %s", err, answers[i].Body, answers[i].Error)
				}
				failEach(t, result.problems(uid, secret, s.Nofile))
			}
			failEach(t, exposedContainers(ctx, t, s))
		}, database)
	})
}

// forbiddenDevice matches the disks, the memory and the virtualisation of the host.
var forbiddenDevice = regexp.MustCompile(`^(sd|vd|nvme)|^(kvm|mem)$`)

// problems returns what a server or service could do or see and should not. uid is its user, secret an
// environment variable of the host, nofile the limit of open files.
func (r probeResult) problems(uid int, secret string, nofile int) (all []string) {
	expect := func(name string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			all = append(all, fmt.Sprintf("%s: %v, want %v", name, got, want))
		}
	}
	expect("its user", r.UID, uid)
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		expect("capabilities "+set, r.Status[set], "0000000000000000")
	}
	expect("no new privileges", r.Status["NoNewPrivs"], 1)
	expect("interfaces", r.Links, []string{"lo"})
	expect("routes", len(r.Routes), 0)
	expect("connecting to another host", r.Out, "ENETUNREACH")
	for path, result := range r.Writes {
		if result == "done" {
			all = append(all, "it wrote to "+path)
		}
	}
	expect("killing the generator", r.Kill, "EPERM")
	if r.Chown == "done" {
		all = append(all, "it changed the owner of /app")
	}
	expect("sockets of the engine", len(r.Engine), 0)
	for _, device := range r.Devices {
		if forbiddenDevice.MatchString(device) {
			all = append(all, "it has the device "+device)
		}
	}
	for name, value := range r.Env {
		if strings.Contains(value, secret) || strings.Contains(strings.ToUpper(name), "PROXY") {
			all = append(all, "it has the host's variable "+name)
		}
	}
	expect("its memory limit", r.Memory, lab.ServerMemory)
	expect("its limit of processes", r.PIDs, 512)
	want := fmt.Sprint(nofile)
	limited := slices.ContainsFunc(strings.Split(r.Limits, "\n"), func(line string) bool {
		fields := strings.Fields(line)
		return strings.HasPrefix(line, "Max open files") && fields[3] == want && fields[4] == want
	})
	if !limited {
		all = append(all, "its limit of open files is not "+want+":\n"+r.Limits)
	}
	return all
}

// exposedContainers describes the containers of a session that have a port, a network,
// privileges, or a folder or device of the host.
func exposedContainers(ctx context.Context, t *testing.T, s *session.Session) (all []string) {
	t.Helper()
	c := openEngine(t)
	listed, err := c.ContainerList(ctx, client.ContainerListOptions{
		All:     true,
		Filters: make(client.Filters).Add("label", "io.runtime-lab.run="+s.ID),
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

// Containers, volumes and images of others are kept, even with names and labels like the
// lab's.
func TestIntegrationForeignContainersAndImagesAreKept(t *testing.T) {
	root := checkout(t)
	useOneVariant(t, root, "[peak(connections = 4)]")
	c := needEngine(t)
	var foreign map[string]func() error
	inTestSession(t,
		func(ctx context.Context, s *session.Session) { foreign = createForeign(ctx, t, c, s.Agent.Ref) })
	// This comes after the session, because lab clean removes no image during a run.
	for _, command := range []string{"clean", "doctor"} {
		if code, _, stderr := labRun(t.Context(), command, "--root", root); code != fault.ExitOK {
			t.Fatalf("%s: exit code %d\n%s", command, code, stderr)
		}
	}
	for name, inspect := range foreign {
		if err := inspect(); err != nil {
			t.Errorf("%s has been removed: %v", name, err)
		}
	}
}

// createForeign creates containers, a volume and an image with names and labels like the
// lab's. It returns functions that fail if they are missing. The test removes them.
func createForeign(
	ctx context.Context, t *testing.T, c *client.Client, agent string,
) map[string]func() error {
	t.Helper()
	background := context.WithoutCancel(ctx)
	inspect := make(map[string]func() error)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, labels := range map[string]map[string]string{
		"runtime-lab-measuring-of-others": nil,
		"runtime-lab-server": {
			"io.runtime-lab.owner": "somebody-else", "io.runtime-lab.run": "x", "io.runtime-lab.role": "server",
		},
		"runtime-lab-of-no-run": {"io.runtime-lab.owner": "runtime-lab"},
		"runtime-lab-by-role": { // the image would label it with the lab as its owner
			"io.runtime-lab.owner": "", "io.runtime-lab.role": "lease", "io.runtime-lab.run": "y",
		},
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
		inspect["container "+name] = func() error {
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
	inspect["volume"] = func() error {
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
	inspect["image"] = func() error {
		_, err := c.ImageInspect(ctx, image)
		return err
	}
	return inspect
}
