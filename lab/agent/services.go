package agent

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"runtimelab/lab"
	"runtimelab/lab/account"
)

// Service names a service of the cell, and the container that its processes run in.
type Service struct {
	Name        string `json:"name"`
	ContainerID string `json:"container_id"`
}

// services are those of the cell, in the order of the trial. The agent is told of them after they
// have started, while orphans may end.
type services struct{ told atomic.Pointer[[]Service] }

// TellServices names the services of the cell, to which readings attribute processes.
func (m Machine) TellServices(all []Service) { m.services.told.Store(&all) }

// all returns the services; none before the agent is told of them.
func (s *services) all() []Service {
	if told := s.told.Load(); told != nil {
		return *told
	}
	return nil
}

// serviceOf returns the name of the service that a process belongs to, which may have ended and
// wait for its parent; account.NoService if that is unknown. If the cell has one service, every
// process is that service's. Otherwise:
//
// A process belongs to the service whose container id stands in one of its cgroup paths
// (/proc/[pid]/cgroup, cgroups(7)). Children inherit them, and no process of a service may change
// them. After the process has ended, its path in a cgroup v2 hierarchy remains, and its paths in
// the hierarchies of cgroup v1 read "/" (proc_cgroup_show in the kernel's kernel/cgroup/cgroup.c).
// On cgroup v1, engines put containers into the v2 hierarchy too where the host mounts one.
//
// Where the host mounts none, an ended process belongs to the service of the process that leads its
// session. Container runtimes start a container's first process in a new session (setsid in runc's
// nsexec.c), and children inherit it. The kernel does not use the session's number for another
// process while a process is in it. Only an orphan whose parent made a session of its own then
// belongs to no service, unless the cell has one service besides the idle loop, which starts no
// process.
func (m Machine) serviceOf(pid int) string {
	all := m.services.all()
	switch len(all) {
	case 0:
		return account.NoService
	case 1:
		return all[0].Name
	}
	if name := m.serviceOfCgroup(pid, all); name != account.NoService {
		return name
	}
	if leader, known := m.session(pid); known && leader != agentPID {
		if name := m.serviceOfCgroup(leader, all); name != account.NoService {
			return name
		}
	}
	if len(all) == 2 && all[0].Name == lab.IdleLoopName && m.hasEnded(pid) {
		return all[1].Name
	}
	return account.NoService
}

// hasEnded reports whether a process has ended and waits for its parent: field 3 of its stat file
// (proc(5)).
func (m Machine) hasEnded(pid int) bool {
	f := m.statFields(fmt.Sprintf("proc/%d/stat", pid))
	return len(f) > 0 && f[0] == "Z"
}

// serviceOfCgroup returns the service whose container id stands in a cgroup path of a process.
func (m Machine) serviceOfCgroup(pid int, all []Service) string {
	paths := m.readText(fmt.Sprintf("proc/%d/cgroup", pid))
	for _, s := range all {
		if s.ContainerID != "" && strings.Contains(paths, s.ContainerID) {
			return s.Name
		}
	}
	return account.NoService
}

// session returns the session of a process, whose number is that of the process that leads it:
// field 6 of its stat file (proc(5)).
func (m Machine) session(pid int) (leader int, known bool) {
	f := m.statFields(fmt.Sprintf("proc/%d/stat", pid))
	if len(f) < 4 {
		return 0, false
	}
	leader, err := strconv.Atoi(f[3])
	return leader, err == nil
}
