package lab

import (
	"encoding/json"
	"strings"
)

// Runtime is one folder under runtimes/: an image and its variants.
type Runtime struct {
	Name           string            // the folder's name: "node"
	About          string            // one line for people
	File           string            // path of its runtime.star, as messages show it
	Image          string            // reference of an image to use as it is; empty: it is built
	Base           BaseImage         // value of the Dockerfile's BASE_IMAGE; zero: see IsOwnImage
	ContextRuntime string            // runtime whose folder is the build context: itself or another
	ContextDir     string            // absolute path of that folder
	Dockerfile     string            // file name in ContextDir: "Dockerfile"
	BuildArgs      map[string]string // the runtime's build arguments
	Ignore         []string          // patterns (path.Match) of names in ContextDir that no image contains
	Peers          *Peers            // nil: it is compared with every runtime
	Variants       []Variant         // in the order of the script
}

// IsOwnImage reports whether the image is one of the user's own: one that exists already, or that a
// Dockerfile of any form makes. The lab chooses no base for it.
func (r Runtime) IsOwnImage() bool { return r.Base.isZero() }

// Peers names the only runtimes that a runtime is compared with, other than by speed-up.
type Peers struct {
	Runtimes []string `json:"runtimes"`
	Reason   string   `json:"reason"` // completes a sentence about the runtime: "is built with its own flags"
}

// BaseImageArg is the build argument that holds the base image.
const BaseImageArg = "BASE_IMAGE"

// ProxyArgs are Docker's predefined build arguments. A Dockerfile need not declare
// them, and they leave no trace in the image or its history. Their values come from
// this host's environment, in upper or lower case.
var ProxyArgs = []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}

// BaseImage names a runtime's base image: the official image if a registry
// answers, or else a stand-in made of packages of a Debian suite.
type BaseImage struct {
	Official string   // image reference: "node:24-trixie-slim"
	Suite    string   // Debian suite of the stand-in: "forky"
	Packages []string // Debian packages of the stand-in: "nodejs", "npm"
	// CAVariables are environment variables that name a file of CA certificates for the runtime's tools:
	// "NODE_EXTRA_CA_CERTS". Builds on the stand-in have them.
	CAVariables []string
}

func (b BaseImage) isZero() bool { return b.Official == "" && b.Suite == "" }

// Variant is a runtime in one configuration.
type Variant struct {
	Runtime string // "node"
	Name    string // unique within the runtime: "single"
	About   string // one line for people
	Model   string // worker model: "single"
	// Application is the runtime whose application it runs, as Identity.Runtime reports it:
	// Runtime.ContextRuntime.
	Application string
	// Identity holds values that the server must report in its Identity, before and under load, by the
	// path of the field: {"gil": false}. Numbers are float64, as in decoded JSON.
	Identity map[string]any    `json:",omitempty"`
	Command  []string          // the container's command
	Env      map[string]string // added to the container's environment
	// Offers are the workloads that it can be asked, besides the one that every application has:
	// "orders". Only a server of the user's own may have none: the lab knows nothing of its API.
	Offers []string `json:",omitempty"`
	// Own says how to run and ask a server in an image of the user's own. Nil: the server is an
	// application that keeps the contract, or a Responder.
	Own *OwnServer `json:",omitempty"`
	// Responder marks one of the lab's own servers: it gives the same answer to every request, and is
	// not checked against the contract.
	Responder bool
}

// Ports of a cell's loopback.
const (
	ServerPort   = 8080 // where servers listen that have no port of their own
	UpstreamPort = 8081 // where the service listens that servers call
)

// OwnServer says how to run and ask a server whose image the lab does not build, and that need not
// know GET /identity.
type OwnServer struct {
	User     string            // ids of user and group, "65532:65532"; empty: the image's USER
	Writable []string          // folders that it may write to; they are in memory and start empty
	Port     int               // where it listens
	Ready    *Request          // answered with success as soon as it is ready; nil: a scenario's request
	Headers  map[string]string // sent with every request
}

// Port returns where the variant's server listens.
func (v Variant) Port() int {
	if v.Own != nil {
		return v.Own.Port
	}
	return ServerPort
}

// twinSuffix is appended to a variant's id to form that of its twin.
const twinSuffix = "~twin"

// TwinOf returns the id of the variant's twin for A/A comparisons: the same image
// and command under another name. Differences between the two are noise.
func TwinOf(id string) string { return id + twinSuffix }

// OriginalOf returns the id of the variant that a twin repeats; another id it
// returns unchanged.
func OriginalOf(id string) string { return strings.TrimSuffix(id, twinSuffix) }

// Twin returns the variant's twin.
func (v Variant) Twin() Variant {
	v.Name = TwinOf(v.Name)
	v.About += " (again, as a control)"
	return v
}

// UnmarshalJSON reads a variant. Labs before Identity recorded its only field that a variant could
// require as GIL.
func (v *Variant) UnmarshalJSON(text []byte) error {
	type plain Variant
	older := struct {
		*plain
		GIL *bool
	}{plain: (*plain)(v)}
	if err := json.Unmarshal(text, &older); err != nil {
		return err
	}
	if older.GIL != nil {
		v.Identity = map[string]any{"gil": *older.GIL}
	}
	return nil
}

// ID returns the name of the variant in scripts and rows: "node/single".
func (v Variant) ID() string { return v.Runtime + "/" + v.Name }

// Image is a built image of a runtime, ready to start containers from.
type Image struct {
	Ref           string // image reference for containers: "runtime-lab/node:<hash>"
	ID            string // the engine's image id; differs between rebuilds of equal content
	ContentSHA256 string // hash of Dockerfile, context, lockfiles, arguments and base
	BaseOrigin    string // origin of the base: image digest, or suite and package versions
}

// Identity is the answer of a running server at GET /identity. The lab compares it
// with the versions and limits that the variant must have.
type Identity struct {
	Runtime        string            `json:"runtime"`         // "node"
	RuntimeVersion string            `json:"runtime_version"` // "24.4.1"
	Build          map[string]string `json:"build"`           // engine and library versions: {"v8": "..."}
	Model          string            `json:"model"`           // worker model: "single"
	Workers        int               `json:"workers"`         // processes that accept requests
	// Parallelism is the number of parts of one request's CPU work that can run at once.
	Parallelism int           `json:"parallelism"`
	GIL         *bool         `json:"gil"`          // global interpreter lock; null: the runtime has none
	Backlog     int           `json:"backlog"`      // connections that the listening socket may queue
	KeepAliveS  float64       `json:"keep_alive_s"` // seconds that an idle connection stays open
	AccessLog   bool          `json:"access_log"`   // whether requests are logged
	Process     ProcessLimits `json:"process"`
}

// ProcessLimits holds the limits of the process that answers, which it reads from
// /proc and the cgroup file system.
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

// Listener is a TCP socket of a cell that accepts connections.
type Listener struct {
	Address string `json:"address"` // "0.0.0.0", "127.0.0.1" or "::"
	Port    int    `json:"port"`
	UID     int    `json:"uid"`               // of the user that opened it
	Backlog int    `json:"backlog,omitempty"` // connections that it may queue; 0: unknown
}
