package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"runtimelab/lab"
)

// Engine is what this package asks of a Docker engine.
type Engine interface {
	ImageBuild(context.Context, io.Reader, client.ImageBuildOptions) (client.ImageBuildResult, error)
	ImageImport(context.Context, client.ImageImportSource, string,
		client.ImageImportOptions) (client.ImageImportResult, error)
	ImageInspect(context.Context, string, ...client.ImageInspectOption) (client.ImageInspectResult, error)
	ImageList(context.Context, client.ImageListOptions) (client.ImageListResult, error)
	ImageLoad(context.Context, io.Reader, ...client.ImageLoadOption) (client.ImageLoadResult, error)
	ImagePrune(context.Context, client.ImagePruneOptions) (client.ImagePruneResult, error)
	ImagePull(context.Context, string, client.ImagePullOptions) (client.ImagePullResponse, error)
	ImageRemove(context.Context, string, client.ImageRemoveOptions) (client.ImageRemoveResult, error)
	ImageTag(context.Context, client.ImageTagOptions) (client.ImageTagResult, error)
	ContainerRemove(context.Context, string, client.ContainerRemoveOptions) (client.ContainerRemoveResult, error)
	NetworkInspect(context.Context, string, client.NetworkInspectOptions) (client.NetworkInspectResult, error)
	ServerVersion(context.Context, client.ServerVersionOptions) (client.ServerVersionResult, error)
}

var _ Engine = (*client.Client)(nil)

// Labels of every image made here.
const (
	ownerLabel   = "io.runtime-lab.owner"
	contentLabel = "io.runtime-lab.content_sha256"
	originLabel  = "io.runtime-lab.base_origin" // of a runtime's image: its base's origin
	baseLabel    = "io.runtime-lab.origin"      // of a stand-in: its own origin

	// What other tools read (OCI image specification, annotations).
	sourceLabel  = "org.opencontainers.image.source" // where in the lab it is made
	versionLabel = "org.opencontainers.image.version"

	owner      = "runtime-lab"
	repository = "runtime-lab/" // what the names of all our images begin with
)

// Options says how images are made. The zero value works.
type Options struct {
	Bases BaseMode
	Log   io.Writer // progress, one line per step; nil: none
	// installs Debian packages on this host; nil: cannot
	Install func(ctx context.Context, packages ...string) error
	Getenv  func(string) string // nil: os.Getenv

	// Version is the lab's, for the labels of what it makes.
	Version string

	// CABundle is the file of CA certificates that stand-ins are to trust.
	// Empty: what SSL_CERT_FILE names, or Debian's usual place.
	CABundle string

	// EngineIsRemote says that the engine runs on another machine. Stand-ins are then
	// not made: this host's packages, mirror and CA bundle are not that one's.
	EngineIsRemote bool

	// LockFile is the file whose lock keeps labs of this host from building at
	// once. Empty: a file in the user's cache directory.
	LockFile string
}

// Builder makes images on one engine.
type Builder struct {
	engine Engine
	opts   Options
	log    sync.Mutex

	goos               string
	euid               int
	firstAnswerTimeout time.Duration // until a registry's first word
	stallTimeout       time.Duration // between two words of a pull
	cleanupTimeout     time.Duration // until an engine has ended a cancelled build
	backoff            []time.Duration
	bootstrap          func(context.Context, standIn) (*rootFS, error)
	hasTools           func() bool // whether bootstrap can run
}

// NewBuilder makes a Builder on engine.
func NewBuilder(engine Engine, opts Options) *Builder {
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	if opts.Getenv == nil {
		opts.Getenv = os.Getenv
	}
	return &Builder{
		engine:             engine,
		opts:               opts,
		goos:               runtime.GOOS,
		euid:               os.Geteuid(),
		firstAnswerTimeout: 20 * time.Second,
		stallTimeout:       time.Minute,
		cleanupTimeout:     15 * time.Second,
		backoff:            []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second},
		bootstrap:          mmdebstrap,
		hasTools:           mmdebstrapInstalled,
	}
}

// Result is what became of one runtime's image.
type Result struct {
	Image lab.Image
	Err   error // nil when Image is ready
	Built bool  // false: the image was there
}

// Ensure has an image ready for every runtime, by name: found where content
// and base are unchanged, built where not. Builds run side by side, and one
// that fails does not stop the others. Their output is kept and becomes part
// of the error of the one that fails.
func (b *Builder) Ensure(ctx context.Context, runtimes []lab.Runtime) map[string]Result {
	if results, complete := b.findAll(ctx, runtimes); complete {
		return results
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return failAll(runtimes, err)
	}
	defer unlock()
	return b.buildAll(ctx, runtimes, b.resolveBases(ctx, runtimes))
}

func failAll(runtimes []lab.Runtime, err error) map[string]Result {
	results := make(map[string]Result, len(runtimes))
	for _, rt := range runtimes {
		results[rt.Name] = Result{Err: err}
	}
	return results
}

// findAll is the way that nothing has to be done: it asks the engine, no
// registry, and changes nothing.
func (b *Builder) findAll(ctx context.Context, runtimes []lab.Runtime) (map[string]Result, bool) {
	bases := b.localBases(ctx, runtimes)
	if bases == nil {
		return nil, false
	}
	results := make(map[string]Result, len(runtimes))
	for _, rt := range runtimes {
		content, err := ContentSHA256(rt, bases[rt.Name].identity)
		if err != nil {
			return nil, false
		}
		img, err := b.findImage(ctx, runtimeRef(rt.Name, content), content)
		if err != nil || img == nil {
			return nil, false
		}
		results[rt.Name] = Result{Image: *img}
	}
	return results, true
}

// findImage is the image with this tag and content, nil when there is none.
func (b *Builder) findImage(ctx context.Context, ref, content string) (*lab.Image, error) {
	got, err := b.inspect(ctx, ref)
	if err != nil || got == nil || got.Config == nil || got.Config.Labels[contentLabel] != content {
		return nil, err
	}
	if err := b.checkPlatform(ctx, ref, got, wrongFrom); err != nil {
		return nil, err
	}
	return &lab.Image{
		Ref: ref, ID: got.ID, ContentSHA256: content,
		BaseOrigin: got.Config.Labels[originLabel],
	}, nil
}

// inspect is nil without an error when the engine has no such image.
func (b *Builder) inspect(ctx context.Context, ref string) (*client.ImageInspectResult, error) {
	got, err := b.engine.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("inspect image %s: %w", ref, err)
	}
	return &got, nil
}

func runtimeRef(name, content string) string { return repository + name + ":" + content[:16] }

func (b *Builder) logf(format string, args ...any) {
	b.log.Lock()
	defer b.log.Unlock()
	fmt.Fprintf(b.opts.Log, "image: "+format+"\n", args...)
}

// lock waits until no other lab of this host builds.
func (b *Builder) lock(ctx context.Context) (unlock func(), err error) {
	path := b.opts.LockFile
	if path == "" {
		path = lockPath()
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, &lab.Fault{
			Code: lab.ExitFailed, Err: fmt.Errorf("open the build lock: %w", err),
			Hint: lab.Denied(err, filepath.Dir(path)),
		}
	}
	for said := false; ; {
		held, err := tryLock(file)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		if held {
			return func() { _ = file.Close() }, nil // closing unlocks
		}
		if !said {
			said = true
			b.logf("waiting for another lab that is building")
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return nil, errors.Join(fmt.Errorf("wait for another lab that is building: %w", err), file.Close())
		}
	}
}

// lockPath returns the file of the build lock: in the user's cache, or in the folder of
// temporary files, which users share and the lock's file is named for.
func lockPath() string {
	dir, err := os.UserCacheDir()
	if err == nil && os.MkdirAll(dir, 0o700) == nil {
		return filepath.Join(dir, "runtime-lab-build.lock")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("runtime-lab-build-%d.lock", os.Getuid()))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

func formatSeconds(since time.Time) string { return fmt.Sprintf("%.1f s", time.Since(since).Seconds()) }

// labels are those of an image that is made from source: whose it is, from what,
// by which version of the lab, and what more says of its contents.
func (b *Builder) labels(source string, more map[string]string) map[string]string {
	all := map[string]string{
		ownerLabel: owner, sourceLabel: source,
		versionLabel: cmp.Or(b.opts.Version, "unknown"),
	}
	maps.Copy(all, more)
	return all
}

// labelInstructions are labels as a Dockerfile has them, in a fixed order.
func labelInstructions(labels map[string]string) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, labelInstruction(name, labels[name]))
	}
	return all
}

// labelInstruction is one LABEL instruction. Values are quoted for the Dockerfile's
// parser, which expands $ and backslashes inside double quotes.
func labelInstruction(name, value string) string {
	return fmt.Sprintf(`LABEL %s="%s"`, name,
		strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value))
}
