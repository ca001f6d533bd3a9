// Package engine describes engines, which run containers, independent of their kind: what the lab
// needs of one, the facts that are recorded of it, the limits that every container gets, and quotas
// above them. lab/engine/docker is the engine that trials run on, lab/engine/memory one for tests.
package engine

// Facts describes an engine and its host.
type Facts struct {
	Kind          string `json:"kind"` // as users know it: "Docker", "Colima"
	Version       string `json:"version"`
	API           string `json:"api"` // as negotiated
	CgroupVersion string `json:"cgroup_version"`
	OS            string `json:"os"`
	Kernel        string `json:"kernel"`
	Arch          string `json:"arch"`
	CPUs          int    `json:"cpus"`
	MemoryBytes   int64  `json:"memory_bytes"`
	Storage       string `json:"storage"`
	Init          string `json:"init"`
}

// Limits that every container of a trial gets, generator and services alike.
const (
	// Nofile is the limit of open files of every process, soft and hard, if the engine's host can
	// grant that many. Engines differ in their default, and runtimes in whether they raise it.
	Nofile = 65536

	// Somaxconn bounds the backlog of every listening socket in a cell.
	Somaxconn = 4096

	// PidsLimit is the largest number of processes and threads of a container.
	PidsLimit = 512
)

// Quota is a limit of CPU time on a cgroup above the lab's containers: of a slice, of a CI runner,
// or of the container that the engine runs in.
type Quota struct {
	Cgroup    string  // path, as the lab sees it
	CPUs      float64 // quota divided by period
	Throttled int64   // periods so far in which the cgroup used up its quota
}
