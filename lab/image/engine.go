package image

import (
	"context"
	"errors"
	"io"
	"time"
)

// Engine is what this package needs of an engine. A name of an image is a tag or an id. Errors have
// one of the kinds below where one is stated, and do not repeat what was attempted.
type Engine interface {
	// Platform returns the platform of the engine's containers.
	Platform(ctx context.Context) (Platform, error)

	// InspectImage describes an image. The error is an ErrNotFound if the engine does not have it.
	InspectImage(ctx context.Context, name string) (Description, error)

	// ListImages returns the tagged and untagged images with a label, "name=value".
	ListImages(ctx context.Context, label string) ([]StoredImage, error)

	// PullImage fetches an image from its registry, and calls progress for each of the engine's
	// messages. The error is an ErrUnreachable or an ErrBusy if it is one of these.
	PullImage(ctx context.Context, ref string, progress func()) error

	// ImportImage makes an image of one layer from a tar stream, with changes as instructions of a
	// Dockerfile.
	ImportImage(ctx context.Context, rootFS io.Reader, ref string, changes []string) error

	// BuildImage makes an untagged image. It returns what was built and left so far with an error too.
	// If ctx is cancelled, it waits up to StopTimeout until the engine has ended the build.
	BuildImage(ctx context.Context, b Build) (Built, error)

	// RegisterImage tags a built image so that it does not depend on what its build left. It leaves out
	// the environment variables withoutEnv ("name=value") if the engine can.
	RegisterImage(ctx context.Context, id, ref string, withoutEnv []string) error

	// DiscardBuild removes what a build left, but no image with a tag.
	DiscardBuild(ctx context.Context, b Built) error

	// TagImage adds a tag to an image.
	TagImage(ctx context.Context, name, tag string) error

	// RemoveImage removes a tag, and the image with its last one. The error is an ErrNotFound if there
	// is none.
	RemoveImage(ctx context.Context, name string) error

	// PruneImages removes all untagged images with a label, "name=value".
	PruneImages(ctx context.Context, label string) error
}

// Kinds of errors of an engine, for errors.Is.
var (
	ErrNotFound    = errors.New("the engine does not have the image")
	ErrUnreachable = errors.New("the engine did not reach the registry")
	ErrBusy        = errors.New("the registry is overloaded")
)

// WithKind returns err with a kind, one of the above, and with the same text.
func WithKind(kind, err error) error { return kindError{err: err, kind: kind} }

// kindError is an engine's error with its kind.
type kindError struct{ err, kind error }

// Error returns the text of the engine's error.
func (e kindError) Error() string { return e.err.Error() }

// Unwrap returns the engine's error and its kind.
func (e kindError) Unwrap() []error { return []error{e.err, e.kind} }

// Platform is what an image is made for, or what an engine runs. Fields are empty if unknown.
type Platform struct{ OS, Architecture, Variant string }

// Description is an engine's description of an image.
type Description struct {
	ID       string
	Digests  []string // "<repository>@<digest>", for each registry that it was pulled from
	Platform Platform
	Layers   []string
	Config   *Config // nil if the image has none
}

// Config is the part of an image's configuration that decides what runs, and its labels.
type Config struct {
	Env        []string // "name=value"
	Entrypoint []string
	Command    []string
	Volumes    []string // sorted
	User       string
	WorkingDir string
	Labels     map[string]string
}

// label returns the value of a label of the image, or "".
func (d *Description) label(name string) string {
	if d.Config == nil {
		return ""
	}
	return d.Config.Labels[name]
}

// StoredImage is one of the lab's images on the engine.
type StoredImage struct {
	ID    string
	Refs  []string // its tags; empty: untagged
	Bytes int64    // size of all its layers, shared ones included
}

// Build describes a build of an image.
type Build struct {
	Context     io.Reader // tar stream
	Dockerfile  string    // its name in the context
	Base        string    // id of the image that it builds on, which is kept; empty if the Dockerfile names it
	Args        map[string]string
	Labels      map[string]string
	HostNetwork bool // its steps must reach the loopback interface of the engine's host
	StopTimeout time.Duration
}

// Built is the outcome of a build.
type Built struct {
	ID         string   // of the image; empty if the build failed
	Output     string   // of the builder, for people
	UnusedArgs []string // arguments that the Dockerfile does not declare
	Steps      []string // ids of untagged images that the build made or found, in its order
	Containers []string // ids of containers that the build started
}

// leftAny reports whether the build left anything to discard.
func (b Built) leftAny() bool { return len(b.Steps)+len(b.Containers) > 0 }
