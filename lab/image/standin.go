package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
)

const (
	// recipeVersion goes into the hash of a stand-in: change it with what is made.
	recipeVersion = "debian stand-in 1"

	debianBundle = "/etc/ssl/certs/ca-certificates.crt"
	binaryPath   = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// buildOnlyEnv is what makes npm and pip trust the CA bundle of the host while
// images build. It does not stay in the runtimes' images, for Node reads
// NODE_EXTRA_CA_CERTS when it starts, a cost that the official image has not; but
// where the engine keeps images in containerd's store it does (see register).
var buildOnlyEnv = []string{
	"NODE_EXTRA_CA_CERTS=" + debianBundle,
	"NPM_CONFIG_CAFILE=" + debianBundle,
	"PIP_CERT=" + debianBundle,
	"SSL_CERT_FILE=" + debianBundle,
}

// standIn is a base made of Debian packages, for a runtime. Runtimes with the same
// suite and packages share one image.
type standIn struct {
	runtime  string
	suite    string
	packages []string // first those that the origin names, in their order
	bundle   []byte   // CA certificates of the host, PEM; empty: Debian's own
}

func newStandIn(rt lab.Runtime, bundle []byte) standIn {
	return standIn{runtime: rt.Name, suite: rt.Base.Suite, packages: rt.Base.Packages, bundle: bundle}
}

// hash returns the SHA-256 of all that decides what is made, but for the versions in
// the suite.
func (s standIn) hash() string {
	sum := newFieldHash()
	sum.add(recipeVersion, s.suite, string(s.bundle))
	packages := slices.Clone(s.packages)
	slices.Sort(packages)
	sum.add(packages...)
	return sum.hex()
}

func (s standIn) ref() string { return repository + "base:" + s.hash()[:16] }

// earlierRef returns the tag that earlier versions of the lab gave the stand-in of a
// runtime. Those images are used: made anew, one may hold newer packages.
func (s standIn) earlierRef() string { return repository + "base-" + s.runtime + ":" + s.hash()[:16] }

var (
	suiteName   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
)

func (s standIn) validate() error {
	if s.suite == "" || len(s.packages) == 0 {
		return fmt.Errorf("runtime %s names no Debian suite and packages for a stand-in", s.runtime)
	}
	if !suiteName.MatchString(s.suite) {
		return fmt.Errorf("runtime %s: %q is not the name of a Debian suite", s.runtime, s.suite)
	}
	for _, name := range s.packages {
		if !packageName.MatchString(name) {
			return fmt.Errorf("runtime %s: %q is not the name of a Debian package", s.runtime, name)
		}
	}
	return nil
}

// findStandIn returns the image of a stand-in and the tag that it was found by, nil
// where the engine has none.
func (b *Builder) findStandIn(
	ctx context.Context, s standIn,
) (got *client.ImageInspectResult, ref string, err error) {
	if s.validate() != nil {
		return nil, "", nil
	}
	for _, ref := range []string{s.ref(), s.earlierRef()} {
		got, err := b.inspect(ctx, ref)
		if err != nil || got != nil && got.Config != nil && got.Config.Labels[baseLabel] != "" {
			return got, ref, err
		}
	}
	return nil, "", nil
}

// localStandIn returns the stand-in as a base where the engine has it, nil where not.
func (b *Builder) localStandIn(ctx context.Context, s standIn) (*base, error) {
	got, _, err := b.findStandIn(ctx, s)
	if err != nil || got == nil {
		return nil, err
	}
	origin := originFor(s, got.Config.Labels[baseLabel])
	return &base{id: got.ID, origin: origin, identity: origin + "\n" + s.hash()}, nil
}

// adopt gives a stand-in of an earlier version of the lab the tag by which all
// runtimes find it.
func (b *Builder) adopt(ctx context.Context, s standIn) {
	got, ref, err := b.findStandIn(ctx, s)
	if err == nil && got != nil && ref != s.ref() {
		_, err = b.engine.ImageTag(ctx, client.ImageTagOptions{Source: ref, Target: s.ref()})
	}
	if err != nil {
		b.logf("%s: look for a stand-in of an earlier version: %v", s.runtime, err)
	}
}

// standIns has a stand-in for every runtime: those that are missing are made, side by
// side and each once, unless cannot says why they cannot be.
func (b *Builder) standIns(ctx context.Context, runtimes []lab.Runtime, cannot error) map[string]base {
	named := make(map[string]base, len(runtimes))
	bundle, err := b.caBundle()
	if err != nil {
		for _, rt := range runtimes {
			named[rt.Name] = base{err: err}
		}
		return named
	}
	for _, rt := range runtimes {
		b.adopt(ctx, newStandIn(rt, bundle))
	}
	missing := make(map[string][]standIn) // those that are one image, by its tag
	for _, rt := range runtimes {
		s := newStandIn(rt, bundle)
		if found, err := b.localStandIn(ctx, s); err == nil && found != nil {
			named[rt.Name] = *found
		} else {
			missing[s.ref()] = append(missing[s.ref()], s)
		}
	}
	if len(missing) > 0 && cannot == nil {
		if err := removeStaleDirs(os.TempDir()); err != nil {
			b.logf("%v", err)
		}
		cannot = b.installTools(ctx)
	}
	var group errgroup.Group
	var mu sync.Mutex
	for _, same := range missing {
		group.Go(func() error {
			err := cannot
			if err == nil {
				err = b.makeStandIn(ctx, same)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, s := range same {
				named[s.runtime] = b.ensureStandIn(ctx, s, err)
			}
			return nil // errors are in the bases
		})
	}
	_ = group.Wait()
	return named
}

// installTools has on this host what stand-ins are made with.
func (b *Builder) installTools(ctx context.Context) error {
	if b.hasTools() {
		return nil
	}
	b.logf("installing mmdebstrap")
	if err := b.opts.Install(ctx, "mmdebstrap", "debian-archive-keyring"); err != nil {
		return &lab.Fault{Code: lab.ExitFailed, Err: fmt.Errorf("install mmdebstrap: %w", err), Hint: mirrorHint}
	}
	return nil
}

// ensureStandIn returns a stand-in that was just made as a runtime's base, or that
// runtime's error where making it failed.
func (b *Builder) ensureStandIn(ctx context.Context, s standIn, failed error) base {
	found, err := (*base)(nil), failed
	if err == nil {
		found, err = b.localStandIn(ctx, s)
	}
	if err == nil && found == nil {
		err = errors.New("the engine imported it and does not have it")
	}
	if ctx.Err() != nil {
		return base{err: fmt.Errorf("make the Debian stand-in for %s: %w", s.runtime, context.Cause(ctx))}
	}
	if err != nil {
		return base{err: &lab.Fault{
			Code: lab.ExitFailed,
			Err:  fmt.Errorf("make the Debian stand-in for %s: %w", s.runtime, err),
			Hint: mirrorHint,
		}}
	}
	return *found
}

const mirrorHint = "stand-ins need a Debian mirror; LAB_BASES=official builds on official images instead"

// rootFS is a root file system on its way as a tar stream. What is installed
// is known before the first byte, which is when the image's labels have to be.
type rootFS struct {
	io.Reader
	versions map[string]string
	finish   func() error // stops it, if it has not ended, and says what came of it
}

// makeStandIn makes the image that all of same are.
func (b *Builder) makeStandIn(ctx context.Context, same []standIn) error {
	s, users := same[0], make([]string, len(same))
	for i := range same {
		users[i] = same[i].runtime
	}
	if err := s.validate(); err != nil {
		return err
	}
	started, who := time.Now(), strings.Join(users, ", ")
	b.logf("%s: making a stand-in of Debian %s: %s", who, s.suite, strings.Join(s.packages, ", "))
	root, err := b.bootstrap(ctx, s)
	if err != nil {
		return err
	}
	origin := standInOrigin(s, root.versions)
	changes := []string{"ENV PATH=" + binaryPath}
	if len(s.bundle) > 0 {
		for _, env := range buildOnlyEnv {
			changes = append(changes, "ENV "+env)
		}
	}
	changes = append(changes,
		labelInstructions(b.labels("Debian "+s.suite, map[string]string{baseLabel: origin}))...)
	err = b.importImage(ctx, root, s.ref(), changes)
	if err == nil {
		_, _ = io.Copy(io.Discard, root) // padding after the end of the archive
	}
	if finished := root.finish(); finished != nil {
		if err == nil { // a cut off tree may have made an image all the same
			err = b.removeTag(context.WithoutCancel(ctx), s.ref())
		}
		return errors.Join(finished, err)
	}
	if err != nil {
		return err
	}
	b.logf("%s: stand-in ready in %s: %s", who, formatSeconds(started), origin)
	return nil
}

// standInOrigin is "debian <suite>: <package> <version>, ...".
const standInPrefix = "debian " // no image's name has a space in it

const scratchOrigin = "scratch" // the origin of what is built on nothing: the agent

// BaseModeOf is which bases have an origin like this; Auto where it tells nothing of it.
func BaseModeOf(origin string) BaseMode {
	switch {
	case origin == "" || origin == scratchOrigin:
		return Auto
	case strings.HasPrefix(origin, standInPrefix):
		return Debian
	}
	return Official
}

func standInOrigin(s standIn, versions map[string]string) string {
	parts := make([]string, len(s.packages))
	for i, name := range s.packages {
		parts[i] = name + " " + versions[name]
	}
	return standInPrefix + s.suite + ": " + strings.Join(parts, ", ")
}

// originFor returns the origin of a stand-in with the packages in the order of the
// runtime: it must not depend on which of the runtimes that share it was first.
func originFor(s standIn, origin string) string {
	_, list, _ := strings.Cut(origin, ": ")
	versions := make(map[string]string)
	for _, part := range strings.Split(list, ", ") {
		name, version, _ := strings.Cut(part, " ")
		versions[name] = version
	}
	for _, name := range s.packages {
		if versions[name] == "" {
			return origin // of another form
		}
	}
	return standInOrigin(s, versions)
}

// importImage makes an image of a tar stream.
func (b *Builder) importImage(ctx context.Context, tar io.Reader, ref string, changes []string) error {
	response, err := b.engine.ImageImport(ctx, client.ImageImportSource{Source: tar, SourceName: "-"}, ref,
		client.ImageImportOptions{Changes: changes})
	if err != nil {
		return fmt.Errorf("import image %s: %w", ref, err)
	}
	defer response.Close()
	if err := readStream(response, ignoreMessage); err != nil {
		return fmt.Errorf("import image %s: %w", ref, err)
	}
	return nil
}

// caBundle is the host's CA certificates, nil where there is no such file.
func (b *Builder) caBundle() ([]byte, error) {
	path := b.opts.CABundle
	if path == "" {
		path = b.opts.Getenv("SSL_CERT_FILE")
	}
	named := path != ""
	if !named {
		path = debianBundle
	}
	bundle, err := os.ReadFile(path)
	if !named && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the CA bundle for stand-ins: %w", err)
	}
	return bundle, nil
}

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
