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

	"github.com/gofrs/flock"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// Labels of every image that this package makes.
const (
	ownerLabel   = "io.runtime-lab.owner"
	contentLabel = "io.runtime-lab.content_sha256"
	originLabel  = "io.runtime-lab.base_origin" // on an image that is built: the origin of its base
	baseLabel    = "io.runtime-lab.origin"      // on a stand-in: its origin

	sourceLabel  = "org.opencontainers.image.source"  // OCI annotation: the folder or suite that it is made from
	versionLabel = "org.opencontainers.image.version" // OCI annotation: the lab's version

	owner      = "runtime-lab"
	repository = "runtime-lab/" // the prefix of the names of all the lab's images
)

// Options configures a Builder. The zero value works.
type Options struct {
	Bases  BaseMode            // empty: Auto
	Log    io.Writer           // receives one line of progress per step; nil: none
	Getenv func(string) string // nil: os.Getenv

	// Install installs Debian packages on this host. Nil: the lab may not install any.
	Install func(ctx context.Context, packages ...string) error

	// Version is the lab's version, for the labels of its images.
	Version string

	// CABundle is the file of CA certificates that stand-ins trust.
	// Empty: the file that SSL_CERT_FILE names, or Debian's default.
	CABundle string

	// EngineIsRemote says that the engine runs on another machine. The lab then makes no
	// stand-ins, because this host's packages, mirror and CA bundle may not fit that machine.
	EngineIsRemote bool

	// LockFile is the file that a lab locks while it builds, so that labs of one host build in
	// turn. Empty: a file in the user's cache directory.
	LockFile string
}

// Builder makes images on one engine.
type Builder struct {
	engine Engine
	opts   Options
	log    sync.Mutex

	goos               string
	euid               int
	firstAnswerTimeout time.Duration   // until a pull's first message
	stallTimeout       time.Duration   // between two messages of a pull
	cleanupTimeout     time.Duration   // until the engine has ended a cancelled build
	backoff            []time.Duration // pauses before the retries of a pull
	bootstrap          func(context.Context, standIn) (*rootFS, error)
	hasTools           func() bool // reports whether the tools of bootstrap are installed
}

// NewBuilder returns a Builder on engine.
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

// Result is the outcome of Ensure for one source.
type Result struct {
	Image lab.Image
	Err   error // nil if Image is ready
	Built bool  // false if the image existed already
}

// Ensure returns an image for every source, by name. It takes the images that sources use as they
// are, pulls those that the engine does not have, and builds the others: see ensureBuilt.
func (b *Builder) Ensure(ctx context.Context, sources []lab.ImageSource) map[string]Result {
	built := slices.DeleteFunc(slices.Clone(sources), func(src lab.ImageSource) bool { return src.Image != "" })
	results := b.ensureBuilt(ctx, built)
	for _, src := range sources {
		if src.Image != "" {
			img, err := b.useImage(ctx, src)
			results[src.Name] = Result{Image: img, Err: err}
		}
	}
	return results
}

// ensureBuilt returns an image for every source, by name. It reuses an image if content and base are
// unchanged, and builds the missing ones in parallel. A failed build does not stop the others; its
// output is part of its error.
func (b *Builder) ensureBuilt(ctx context.Context, sources []lab.ImageSource) map[string]Result {
	if results, complete := b.findAll(ctx, sources); complete {
		return results
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return failAll(sources, err)
	}
	defer unlock()
	return b.buildAll(ctx, sources, b.resolveBases(ctx, sources))
}

// failAll returns err as the result of every source.
func failAll(sources []lab.ImageSource, err error) map[string]Result {
	results := make(map[string]Result, len(sources))
	for _, src := range sources {
		results[src.Name] = Result{Err: err}
	}
	return results
}

// findAll returns all images, and true if they all exist already. It asks no registry and changes
// nothing.
func (b *Builder) findAll(ctx context.Context, sources []lab.ImageSource) (map[string]Result, bool) {
	based, own := splitByBase(sources)
	bases := b.localBases(ctx, based)
	if bases == nil {
		return nil, false
	}
	for _, src := range own {
		found, err := b.ownBase(ctx, src, false)
		if err != nil || found == nil {
			return nil, false
		}
		bases[src.Name] = *found
	}
	results := make(map[string]Result, len(sources))
	for _, src := range sources {
		content, err := ContentSHA256(src, bases[src.Name].identity)
		if err != nil {
			return nil, false
		}
		img, err := b.findImage(ctx, imageRef(src.Name, content), content)
		if err != nil || img == nil {
			return nil, false
		}
		results[src.Name] = Result{Image: *img}
	}
	return results, true
}

// findImage returns the image with this tag and content, or nil if there is none.
func (b *Builder) findImage(ctx context.Context, ref, content string) (*lab.Image, error) {
	got, err := b.inspect(ctx, ref)
	if err != nil || got == nil || got.label(contentLabel) != content {
		return nil, err
	}
	if err := b.checkPlatform(ctx, ref, got, wrongFromHint); err != nil {
		return nil, err
	}
	return &lab.Image{
		Ref: ref, ID: got.ID, ContentSHA256: content,
		BaseOrigin: got.label(originLabel),
	}, nil
}

// inspect returns the engine's description of an image, or nil without an error if it does not
// exist.
func (b *Builder) inspect(ctx context.Context, name string) (*Description, error) {
	got, err := b.engine.InspectImage(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("inspect image %s: %w", name, err)
	}
	return &got, nil
}

// imageRef returns the tag of a source's image with this content_sha256.
func imageRef(name, content string) string { return repository + name + ":" + content[:16] }

// logf writes one line of progress.
func (b *Builder) logf(format string, args ...any) {
	b.log.Lock()
	defer b.log.Unlock()
	fmt.Fprintf(b.opts.Log, "image: "+format+"\n", args...)
}

// lock waits until no other lab of this host builds, and locks the build.
func (b *Builder) lock(ctx context.Context) (unlock func(), err error) {
	path := b.opts.LockFile
	if path == "" {
		path = lockPath()
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDWR|os.O_CREATE))
	held, err := lock.TryLock()
	if err == nil && !held {
		b.logf("waiting for another lab to finish building")
		if _, err = lock.TryLockContext(ctx, 100*time.Millisecond); err != nil && ctx.Err() != nil {
			return nil, fmt.Errorf("wait for another lab to finish building: %w", context.Cause(ctx))
		}
	}
	if err != nil {
		return nil, &fault.Error{
			Code: fault.ExitFailed, Err: fmt.Errorf("lock %s: %w", path, err),
			Hint: fault.Denied(err, filepath.Dir(path)),
		}
	}
	return func() { _ = lock.Close() }, nil
}

// lockPath returns the default file of the build lock: in the user's cache directory, or else in
// the folder of temporary files. Users share the latter, so its file name contains the user's id.
func lockPath() string {
	dir, err := os.UserCacheDir()
	if err == nil && os.MkdirAll(dir, 0o700) == nil {
		return filepath.Join(dir, "runtime-lab-build.lock")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("runtime-lab-build-%d.lock", os.Getuid()))
}

// sleep waits for d, or returns the cause if ctx ends first.
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

// formatSeconds formats the time since a moment in seconds.
func formatSeconds(since time.Time) string { return fmt.Sprintf("%.1f s", time.Since(since).Seconds()) }

// labels returns the labels of an image: its owner, source, the lab's version, and extra.
func (b *Builder) labels(source string, extra map[string]string) map[string]string {
	all := map[string]string{
		ownerLabel: owner, sourceLabel: source,
		versionLabel: cmp.Or(b.opts.Version, "unknown"),
	}
	maps.Copy(all, extra)
	return all
}

// labelInstructions returns labels as instructions of a Dockerfile, sorted by name.
func labelInstructions(labels map[string]string) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, labelInstruction(name, labels[name]))
	}
	return all
}

// labelInstruction returns one LABEL instruction. It quotes the value for the Dockerfile's parser,
// which expands $ and backslashes inside double quotes.
func labelInstruction(name, value string) string {
	return fmt.Sprintf(`LABEL %s="%s"`, name,
		strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value))
}
