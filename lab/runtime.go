package lab

import "strings"

// Runtime is one folder under runtimes/: an image and the variants that run
// from it.
type Runtime struct {
	Name           string            // the folder's name: "node"
	About          string            // one line for people
	File           string            // path of its runtime.star, as shown in messages
	Base           BaseImage         // what the Dockerfile's BASE_IMAGE stands for
	ContextRuntime string            // the runtime whose folder is the build context: itself, or another
	ContextDir     string            // absolute path of that folder
	Dockerfile     string            // the file's name in it: "Dockerfile"
	BuildArgs      map[string]string // build arguments of its own
	Variants       []Variant         // in the order of the script
}

// BaseImageArg is the build argument that says what an image is built on.
const BaseImageArg = "BASE_IMAGE"

// ProxyArgs are build arguments that every Dockerfile has without declaring
// them, and that leave no trace in the image or its history. They are this
// host's, as is their spelling in lower case.
var ProxyArgs = []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}

// BaseImage says what a runtime's image is built on: the official image where
// a registry answers, or packages of a Debian suite from which a stand-in is
// made where none does.
type BaseImage struct {
	Official string   // image reference: "node:24-trixie-slim"
	Suite    string   // Debian suite of the stand-in: "forky"
	Packages []string // Debian packages of the stand-in: "nodejs", "npm"
}

// Variant is a runtime in one configuration.
type Variant struct {
	Runtime string // "node"
	Name    string // unique within the runtime: "single"
	About   string // one line for people
	Model   string // worker model: "single"
	// the runtime whose application it runs, as that says of itself: Runtime.Context
	Application string
	GIL         *bool             // whether Python's lock must be on; nil: whatever the server says
	Command     []string          // the container's command
	Env         map[string]string // added to the container's environment
	// one of the lab's own: under no contract, and whatever it is asked it answers the same
	Responder bool
}

// twinSuffix is what the id of a twin has after that of its original.
const twinSuffix = "~twin"

// TwinOf is the id of a variant that differs from another in its name alone: the
// same image, started the same way. What differs between the two is noise.
func TwinOf(id string) string { return id + twinSuffix }

// OriginalOf is the id of the variant that a twin is one of; of any other, its
// own.
func OriginalOf(id string) string { return strings.TrimSuffix(id, twinSuffix) }

// Twin is the variant's twin.
func (v Variant) Twin() Variant {
	v.Name = TwinOf(v.Name)
	v.About += " (again, as a control)"
	return v
}

// ID is how scripts, rows and people name a variant: "node/single".
func (v Variant) ID() string { return v.Runtime + "/" + v.Name }

// Image is a built image of a runtime, ready to start containers from.
type Image struct {
	Ref           string // what containers are created from: "runtime-lab/node:<hash>"
	ID            string // the engine's image id; differs between rebuilds of equal content
	ContentSHA256 string // Dockerfile, context, lockfiles, arguments and base: equal content, equal hash
	BaseOrigin    string // where the base came from: image digest, or suite and package versions
}

// Identity is what a running server says of itself at GET /identity. It is
// how the lab proves that variants run the versions and the limits it meant.
type Identity struct {
	Runtime        string            `json:"runtime"`         // "node"
	RuntimeVersion string            `json:"runtime_version"` // "24.4.1"
	Build          map[string]string `json:"build"`           // engine and library versions: {"v8": "..."}
	Model          string            `json:"model"`           // worker model: "single"
	Workers        int               `json:"workers"`         // processes that accept requests
	// parts of one request's CPU work that can run at once
	Parallelism int           `json:"parallelism"`
	GIL         *bool         `json:"gil"`          // true: on; false: off; null: the runtime has none
	Backlog     int           `json:"backlog"`      // connections the listening socket may queue
	KeepAliveS  float64       `json:"keep_alive_s"` // seconds an idle connection is kept
	AccessLog   bool          `json:"access_log"`   // whether requests are logged
	Process     ProcessLimits `json:"process"`
}

// ProcessLimits is what the kernel grants the process that answers, read by
// itself from /proc and the cgroup file system.
type ProcessLimits struct {
	UID              int      `json:"uid"`
	NofileSoft       int      `json:"nofile_soft"`
	NofileHard       int      `json:"nofile_hard"`
	CapEff           string   `json:"cap_eff"` // hexadecimal mask, as in /proc/self/status
	NoNewPrivs       bool     `json:"no_new_privs"`
	RootReadOnly     bool     `json:"root_read_only"`
	CPUsAllowed      string   `json:"cpus_allowed"`     // list format: "1" or "0-3"
	MemoryLimitBytes int64    `json:"memory_limit"`     // bytes
	Somaxconn        int      `json:"somaxconn"`        // net.core.somaxconn
	PortRange        string   `json:"local_port_range"` // "1024 65535"
	Interfaces       []string `json:"interfaces"`       // network interfaces: ["lo"]
}
