package lab

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
