package lab

import "time"

// UpstreamName is the name of the service that the lab itself brings: a responder that servers call.
const UpstreamName = "upstream"

// IdleLoopName is the name of the service that keeps the CPUs of a waiting generator from halting.
const IdleLoopName = string(RoleIdleLoop)

// AgentUser is the user that agents and their idle loops run as. It differs from the servers' user:
// processes of a cell see each other, and no server may signal the agent.
const AgentUser = "65533:65533"

// ServerMemory is a server's limit of memory and swap together, in bytes. Without a limit of swap, an
// engine's default would double it.
const ServerMemory = 1 << 30

// CellRequest is what one asks of an engine for a trial: a cell with its generator and services.
type CellRequest struct {
	Generator CPURequest
	// GeneratorWaits says that the generator waits in the kernel in this cell, as Attack.SleepWhenIdle
	// says of an attack.
	GeneratorWaits bool
	// Services come after those that they depend on.
	Services []Service
}

// Service is one container of a trial besides the generator: what runs, what it is granted, and how one
// knows that it is ready.
type Service struct {
	Role Role
	// Name is unique in its trial: the id of a variant, or the name of a folder in scenarios/services.
	Name    string
	Image   Image
	Command []string          // nil: the image's
	Env     map[string]string // added to the image's
	User    string            // ids of user and group, "65532:65532"; empty: the image's USER
	// Writable are the folders that it may write to. They are in memory and start empty.
	Writable []WritableFolder
	CPUs     CPURequest
	Port     int
	// Ready tells when others may use the service. Nil: when its container runs.
	Ready       *Readiness
	MemoryBytes int64    // limit of memory and swap together
	DependsOn   []string // names of services that are ready before this one starts
	// ServerEnv are the variables with which a server finds the service: {"UPSTREAM_URL": "http://…"}.
	ServerEnv map[string]string
	// CallCount is answered with the CallCount of the service; nil: it does not count its calls.
	CallCount *Request
	// Counts is asked at the edges of each window of load; nil: the service is not asked.
	Counts *CountQuery
}

// CountQuery is a query over PostgreSQL's protocol that is answered with one row: DatabaseCounts.
type CountQuery struct{ User, Database, SQL string }

// DatabaseCounts is what a database counts of what the server asked it.
type DatabaseCounts struct {
	Statements int64 `json:"statements"` // so far, on the tables of the database
	Rows       int64 `json:"rows"`       // that these returned or changed
	Stored     int64 `json:"stored"`     // what answers store, so far: orders
	// Unbalanced has what the books must not have and do have, by name: units that are neither in stock
	// nor in an order.
	Unbalanced map[string]int64 `json:"unbalanced,omitempty"`
}

// Title names the service in messages: "the server", "the upstream", "the database postgres". A trial
// has one server, and its row names it.
func (s Service) Title() string {
	if s.Role.Traits().Measured || s.Name == string(s.Role) {
		return "the " + string(s.Role)
	}
	return "the " + string(s.Role) + " " + s.Name
}

// CallCount is the number of calls that a service has answered.
type CallCount struct {
	Count int64 `json:"count"`
}

// WritableFolder is a folder of a service in memory.
type WritableFolder struct {
	Path      string
	SizeBytes int64
}

// CPURequest says how many CPUs a service asks for, or whose it shares.
type CPURequest struct {
	Count      int // CPUs of its own; 0: those of SharedWith
	SharedWith Role
	// Pinned are the CPUs that a plan has chosen, for an engine that lets it choose. Empty: any.
	Pinned []int
}

// Readiness says how the generator finds out that a service is ready: by a request over HTTP that is
// answered with success, or by an exchange over TCP.
type Readiness struct {
	Request *Request // over HTTP; nil: Send and Answer
	Send    []byte   // what is sent over TCP after the connection is made; may be empty
	Answer  []byte   // how the answer must begin; may be empty
}

// Grant is what an engine granted a service.
type Grant struct {
	CPUs        []int  // CPU numbers of the engine's machine
	ContainerID string // stands in the cgroup paths of the service's processes
}

// Ending is how a service's container ended. It is zero while the container runs, or if nobody can tell.
type Ending struct {
	At     time.Time // by the engine's clock; zero: unknown
	Reason string    // "the server exited with code 7", with the end of its log
}
