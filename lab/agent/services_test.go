package agent

import (
	"fmt"
	"slices"
	"testing"
	"testing/fstest"

	"runtimelab/lab"
	"runtimelab/lab/account"
)

const (
	serverID   = "0fc1fa40b7634535f022d0978933294dbf6ee7594a994585b51914157bf2b8ab"
	databaseID = "fed3e83eb9d1c2356bc2bf113cc173e444651d10116f4e573b4cbbff5f58eeab"
)

// The cgroup files are those that containers of Docker show to a process in another container.
func TestAProcessBelongsToTheServiceOfItsContainer(t *testing.T) {
	const (
		server, database = "node/single", "postgres"
		endedOnV1        = "4:memory:/\n2:cpuacct:/\n1:cpu:/\n"
	)
	for name, c := range map[string]struct {
		cgroup  string
		session int
		want    string
	}{
		"cgroup v1":                               {"4:memory:/docker/" + databaseID + "\n0::/\n", 30, database},
		"cgroup v2 with systemd":                  {"0::/../docker-" + serverID + ".scope\n", 30, server},
		"cgroup v2 without systemd":               {"0::/../" + databaseID + "\n", 30, database},
		"a cgroup within the container":           {"0::/../" + databaseID + "/workers\n", 30, database},
		"ended on v1, with a v2 mount":            {endedOnV1 + "0::/docker/" + serverID + "\n", 30, server},
		"ended on v1, session of server":          {endedOnV1, 7, server},
		"ended on v1, its own session":            {endedOnV1, 30, account.NoService},
		"ended on v1, a session without a leader": {endedOnV1, 29, account.NoService},
		"ended on v1, the agent's session":        {endedOnV1, agentPID, account.NoService},
		"another container":                       {"0::/../docker-77.scope\n", 30, account.NoService},
		"gone":                                    {"", 0, account.NoService},
	} {
		file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
		root := fstest.MapFS{
			"proc/1/cgroup": file("0::/\n"),
			"proc/7/cgroup": file("2:cpuacct:/docker/" + serverID + "\n"),
			"proc/7/stat":   file("7 (node) S 0 7 7 0 -1\n"),
		}
		if c.cgroup != "" {
			root["proc/30/cgroup"] = file(c.cgroup)
			root["proc/30/stat"] = file(fmt.Sprintf("30 (a) Z) Z 1 7 %d 0 -1\n", c.session))
		}
		m := machine(root)
		m.services = inService(server, serverID, database, databaseID, "starting", "")
		if got := m.serviceOf(30); got != c.want {
			t.Errorf("%s: service %q, want %q", name, got, c.want)
		}
		m.services = inService(lab.IdleLoopName, databaseID, server, serverID)
		alone := server // an orphan that has ended is not the loop's
		if c.want == database {
			alone = lab.IdleLoopName
		} else if name == "gone" {
			alone = account.NoService
		}
		if got := m.serviceOf(30); got != alone {
			t.Errorf("%s, in a cell with one service and the idle loop: %q, want %q", name, got, alone)
		}
		m.services = inService(server, serverID)
		if got := m.serviceOf(30); got != server {
			t.Errorf("%s, in a cell with one service: %q", name, got)
		}
	}
	if got := (Machine{services: new(services)}).serviceOf(30); got != account.NoService {
		t.Errorf("before the agent is told of services: %q", got)
	}
}

// An agent attributes processes to the services that it was told last.
func TestAnAgentIsToldOfItsServices(t *testing.T) {
	m := machine(twoCores())
	c, _, _ := startAgentOn(t, m)
	for _, want := range [][]Service{{{"a", "1"}}, {{"a", "3"}, {"b", "2"}}} {
		if err := c.TellServices(t.Context(), want); err != nil || !slices.Equal(m.services.all(), want) {
			t.Errorf("services %v, want %v; %v", m.services.all(), want, err)
		}
	}
}
