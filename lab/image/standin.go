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
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
)

const (
	// recipe goes into the hash of a stand-in: change it with what is made.
	recipe = "debian stand-in 1"

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

// standIn is a base made of Debian packages.
type standIn struct {
	runtime  string
	suite    string
	packages []string // first those that the origin names, in their order
	bundle   []byte   // CA certificates of the host, PEM; empty: Debian's own
}

func newStandIn(rt lab.Runtime, bundle []byte) standIn {
	return standIn{runtime: rt.Name, suite: rt.Base.Suite, packages: rt.Base.Packages, bundle: bundle}
}

// hash is of all that decides what is made but the versions in the suite.
func (s standIn) hash() string {
	sum := newFieldHash()
	sum.add(recipe, s.suite, string(s.bundle))
	packages := slices.Clone(s.packages)
	slices.Sort(packages)
	sum.add(packages...)
	return sum.hex()
}

func (s standIn) ref() string { return repository + "base-" + s.runtime + ":" + s.hash()[:16] }

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

// localStandIn is the stand-in where the engine has it, nil where not.
func (b *Builder) localStandIn(ctx context.Context, s standIn) (*base, error) {
	if s.validate() != nil {
		return nil, nil
	}
	got, err := b.inspect(ctx, s.ref())
	if err != nil || got == nil || got.Config == nil || got.Config.Labels[baseLabel] == "" {
		return nil, err
	}
	origin := got.Config.Labels[baseLabel]
	return &base{id: got.ID, origin: origin, identity: origin + "\n" + s.hash()}, nil
}

// standIns has a stand-in for every runtime: those that are missing are made,
// side by side, unless cannot says why they cannot be.
func (b *Builder) standIns(ctx context.Context, runtimes []lab.Runtime, cannot error) map[string]base {
	named := make(map[string]base, len(runtimes))
	bundle, err := b.caBundle()
	if err != nil {
		for _, rt := range runtimes {
			named[rt.Name] = base{err: err}
		}
		return named
	}
	var missing []standIn
	for _, rt := range runtimes {
		s := newStandIn(rt, bundle)
		if found, err := b.localStandIn(ctx, s); err == nil && found != nil {
			named[rt.Name] = *found
		} else {
			missing = append(missing, s)
		}
	}
	if len(missing) > 0 && cannot == nil {
		if err := sweepFolders(os.TempDir()); err != nil {
			b.say("%v", err)
		}
		cannot = b.installTools(ctx)
	}
	if cannot != nil {
		for _, s := range missing {
			named[s.runtime] = base{err: cannot}
		}
		return named
	}
	made := make([]base, len(missing))
	var group errgroup.Group
	for i, s := range missing {
		group.Go(func() error {
			made[i] = b.standInBase(ctx, s)
			return nil
		})
	}
	_ = group.Wait() // errors are in the bases
	for i, s := range missing {
		named[s.runtime] = made[i]
	}
	return named
}

// installTools has on this host what stand-ins are made with.
func (b *Builder) installTools(ctx context.Context) error {
	if b.hasTools() {
		return nil
	}
	b.say("installing mmdebstrap")
	if err := b.opts.Install(ctx, "mmdebstrap", "debian-archive-keyring"); err != nil {
		return &lab.Fault{Code: lab.ExitFailed, Err: fmt.Errorf("install mmdebstrap: %w", err), Hint: needsMirror}
	}
	return nil
}

func (b *Builder) standInBase(ctx context.Context, s standIn) base {
	found, err := b.localStandIn(ctx, s)
	if err == nil && found == nil {
		if err = b.makeStandIn(ctx, s); err == nil {
			found, err = b.localStandIn(ctx, s)
		}
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
			Hint: needsMirror,
		}}
	}
	return *found
}

const needsMirror = "stand-ins need a Debian mirror; LAB_BASES=official builds on official images instead"

// rootFS is a root file system on its way as a tar stream. What is installed
// is known before the first byte, which is when the image's labels have to be.
type rootFS struct {
	io.Reader
	versions map[string]string
	finish   func() error // stops it, if it has not ended, and says what came of it
}

func (b *Builder) makeStandIn(ctx context.Context, s standIn) error {
	if err := s.validate(); err != nil {
		return err
	}
	started := time.Now()
	b.say("%s: making a stand-in of Debian %s: %s", s.runtime, s.suite, strings.Join(s.packages, ", "))
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
	changes = append(changes, instructions(b.labels("Debian "+s.suite, map[string]string{baseLabel: origin}))...)
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
	b.say("%s: stand-in ready in %s: %s", s.runtime, seconds(started), origin)
	return nil
}

// standInOrigin is "debian <suite>: <package> <version>, ...".
const standInWord = "debian " // no image's name has a space in it

const scratch = "scratch" // the origin of what is built on nothing: the agent

// ModeOf is which bases have an origin like this; Auto where it tells nothing of it.
func ModeOf(origin string) Mode {
	switch {
	case origin == "" || origin == scratch:
		return Auto
	case strings.HasPrefix(origin, standInWord):
		return Debian
	}
	return Official
}

func standInOrigin(s standIn, versions map[string]string) string {
	parts := make([]string, len(s.packages))
	for i, name := range s.packages {
		parts[i] = name + " " + versions[name]
	}
	return standInWord + s.suite + ": " + strings.Join(parts, ", ")
}

// importImage makes an image of a tar stream.
func (b *Builder) importImage(ctx context.Context, tar io.Reader, ref string, changes []string) error {
	response, err := b.engine.ImageImport(ctx, client.ImageImportSource{Source: tar, SourceName: "-"}, ref,
		client.ImageImportOptions{Changes: changes})
	if err != nil {
		return fmt.Errorf("import image %s: %w", ref, err)
	}
	defer response.Close()
	if err := readStream(response, ignore); err != nil {
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
