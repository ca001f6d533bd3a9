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

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// Constants of a stand-in's content.
const (
	// recipeVersion is part of the hash of a stand-in. Change it when the recipe changes.
	recipeVersion = "debian stand-in 1"

	debianBundle = "/etc/ssl/certs/ca-certificates.crt"
	binaryPath   = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// openSSLBundle makes programs that use OpenSSL trust the host's CA bundle. Every stand-in with a
// bundle has it.
const openSSLBundle = "SSL_CERT_FILE=" + debianBundle

// standIn describes a base made of Debian packages, for one source. Runtimes with the same suite,
// packages and caEnv share one image.
type standIn struct {
	name     string // of the source
	title    string // in messages
	suite    string
	packages []string // in the order in which the origin names them
	bundle   []byte   // CA certificates of the host, PEM; empty: Debian's
	// caEnv makes the runtime's tools trust the bundle while images build, sorted. It is not part of
	// the runtimes' images (see bundleVariables).
	caEnv []string
}

// newStandIn returns the stand-in of a source.
func newStandIn(src lab.ImageSource, bundle []byte) standIn {
	s := standIn{
		name: src.Name, title: src.Title, suite: src.Base.Suite, packages: src.Base.Packages,
		bundle: bundle,
	}
	if len(bundle) > 0 {
		for _, name := range slices.Sorted(slices.Values(src.Base.CAVariables)) {
			s.caEnv = append(s.caEnv, name+"="+debianBundle)
		}
	}
	return s
}

// bundleVariables returns the variables of a stand-in's environment that name its CA bundle. They
// are removed from the runtimes' images: a runtime may read the bundle when it starts, a cost that
// the official image does not have. They stay if the engine keeps images in containerd's store (see
// register).
func bundleVariables(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env),
		func(variable string) bool { return !strings.HasSuffix(variable, "="+debianBundle) })
}

// hash returns a SHA-256, in hexadecimal, of recipeVersion, suite, CA bundle and the names of the
// packages in any order. Versions of packages do not change it, nor does caEnv, which changes no
// file of an image.
func (s standIn) hash() string {
	sum := newFieldHash()
	sum.add(recipeVersion, s.suite, string(s.bundle))
	packages := slices.Clone(s.packages)
	slices.Sort(packages)
	sum.add(packages...)
	return sum.hex()
}

// ref returns the tag of the stand-in's image.
func (s standIn) ref() string {
	if len(s.caEnv) == 0 {
		return repository + "base:" + s.hash()[:16]
	}
	sum := newFieldHash()
	sum.add(s.hash())
	sum.add(s.caEnv...)
	return repository + "base:" + sum.hex()[:16]
}

// earlierRefs returns the tags that earlier versions of the lab gave to a source's stand-in. The
// lab still uses such an image, because a new one may hold newer packages.
func (s standIn) earlierRefs() []string {
	hash := s.hash()[:16]
	return []string{repository + "base:" + hash, repository + "base-" + s.name + ":" + hash}
}

// Valid names in Debian; a name becomes an argument of mmdebstrap and part of a shell command.
var (
	suiteName   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
)

// validate returns an error if the suite or a package has no valid name.
func (s standIn) validate() error {
	if s.suite == "" || len(s.packages) == 0 {
		return fmt.Errorf("%s names no Debian suite and packages for a stand-in", s.title)
	}
	if !suiteName.MatchString(s.suite) {
		return fmt.Errorf("%s: %q is not the name of a Debian suite", s.title, s.suite)
	}
	for _, name := range s.packages {
		if !packageName.MatchString(name) {
			return fmt.Errorf("%s: %q is not the name of a Debian package", s.title, name)
		}
	}
	return nil
}

// findStandIn returns the image of a stand-in and the tag under which it was found, or nil if there
// is none.
func (b *Builder) findStandIn(
	ctx context.Context, s standIn,
) (found *Description, ref string, err error) {
	if s.validate() != nil {
		return nil, "", nil
	}
	for _, ref := range append([]string{s.ref()}, s.earlierRefs()...) {
		got, err := b.inspect(ctx, ref)
		if err != nil {
			return nil, "", err
		}
		if got != nil && s.fits(got) {
			return got, ref, nil
		}
	}
	return nil, "", nil
}

// fits reports whether an image is a stand-in that sets caEnv. One of an earlier lab may set more.
func (s standIn) fits(img *Description) bool {
	lacks := func(variable string) bool { return !slices.Contains(img.Config.Env, variable) }
	return img.label(baseLabel) != "" && !slices.ContainsFunc(s.caEnv, lacks)
}

// localStandIn returns the stand-in as a base, or nil if the engine does not have it.
func (b *Builder) localStandIn(ctx context.Context, s standIn) (*base, error) {
	got, _, err := b.findStandIn(ctx, s)
	if err != nil || got == nil {
		return nil, err
	}
	origin := orderOrigin(s, got.label(baseLabel))
	return &base{
		id: got.ID, origin: origin, identity: origin + "\n" + s.hash(),
		buildOnlyEnv: bundleVariables(got.Config.Env),
	}, nil
}

// tagEarlierStandIn gives a stand-in of an earlier version of the lab the tag under which all
// sources find it.
func (b *Builder) tagEarlierStandIn(ctx context.Context, s standIn) {
	got, ref, err := b.findStandIn(ctx, s)
	if err == nil && got != nil && ref != s.ref() {
		err = b.engine.TagImage(ctx, ref, s.ref())
	}
	if err != nil {
		b.logf("%s: look for a stand-in of an earlier version: %v", s.name, err)
	}
}

// ensureStandIns returns a stand-in for every source, by name. It makes the missing ones in
// parallel, each once. If bootstrapErr is not nil, it makes none, and bootstrapErr is the error of
// the sources that miss theirs.
func (b *Builder) ensureStandIns(
	ctx context.Context, sources []lab.ImageSource, bootstrapErr error,
) map[string]base {
	bases := make(map[string]base, len(sources))
	bundle, err := b.caBundle()
	if err != nil {
		for _, src := range sources {
			bases[src.Name] = base{err: err}
		}
		return bases
	}
	for _, src := range sources {
		b.tagEarlierStandIn(ctx, newStandIn(src, bundle))
	}
	missing := make(map[string][]standIn) // by tag: stand-ins that share one image
	for _, src := range sources {
		s := newStandIn(src, bundle)
		if found, err := b.localStandIn(ctx, s); err == nil && found != nil {
			bases[src.Name] = *found
		} else {
			missing[s.ref()] = append(missing[s.ref()], s)
		}
	}
	if len(missing) > 0 && bootstrapErr == nil {
		if err := removeStaleDirs(os.TempDir()); err != nil {
			b.logf("%v", err)
		}
		bootstrapErr = b.installTools(ctx)
	}
	var group errgroup.Group
	var mu sync.Mutex
	for _, sharing := range missing {
		group.Go(func() error {
			err := bootstrapErr
			if err == nil {
				err = b.makeStandIn(ctx, sharing)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, s := range sharing {
				bases[s.name] = b.standInBase(ctx, s, err)
			}
			return nil // each base holds its own error
		})
	}
	_ = group.Wait()
	return bases
}

// installTools installs mmdebstrap on this host if it is missing.
func (b *Builder) installTools(ctx context.Context) error {
	if b.hasTools() {
		return nil
	}
	b.logf("installing mmdebstrap")
	if err := b.opts.Install(ctx, "mmdebstrap", "debian-archive-keyring"); err != nil {
		return &fault.Error{
			Code: fault.ExitFailed, Err: fmt.Errorf("install mmdebstrap: %w", err),
			Hint: mirrorHint,
		}
	}
	return nil
}

// standInBase returns a stand-in that was just made as a source's base. makeErr, if not nil, is
// the error with which making it failed, and becomes the error of the base.
func (b *Builder) standInBase(ctx context.Context, s standIn, makeErr error) base {
	found, err := (*base)(nil), makeErr
	if err == nil {
		found, err = b.localStandIn(ctx, s)
	}
	if err == nil && found == nil {
		err = errors.New("it is missing after the engine imported it")
	}
	if ctx.Err() != nil {
		return base{err: fmt.Errorf("make the Debian stand-in for %s: %w", s.name, context.Cause(ctx))}
	}
	if err != nil {
		return base{err: &fault.Error{
			Code: fault.ExitFailed,
			Err:  fmt.Errorf("make the Debian stand-in for %s: %w", s.name, err),
			Hint: mirrorHint,
		}}
	}
	return *found
}

// mirrorHint is the hint of errors of making stand-ins.
const mirrorHint = "give this host access to a Debian mirror, or set LAB_BASES=official"

// rootFS is a root file system as a tar stream. The versions are known before the first byte,
// because the engine takes the image's labels first.
type rootFS struct {
	io.Reader
	versions map[string]string // by package
	finish   func() error      // stops the stream's writer if it still runs, and returns its error
}

// makeStandIn makes one image for all stand-ins of sharing, which have the same tag.
func (b *Builder) makeStandIn(ctx context.Context, sharing []standIn) error {
	s, names := sharing[0], make([]string, len(sharing))
	for i := range sharing {
		names[i] = sharing[i].name
	}
	if err := s.validate(); err != nil {
		return err
	}
	started, sources := time.Now(), strings.Join(names, ", ")
	b.logf("%s: making a stand-in of Debian %s: %s", sources, s.suite, strings.Join(s.packages, ", "))
	root, err := b.bootstrap(ctx, s)
	if err != nil {
		return err
	}
	origin := standInOrigin(s, root.versions)
	changes := []string{"ENV PATH=" + binaryPath}
	if len(s.bundle) > 0 {
		for _, variable := range append([]string{openSSLBundle}, s.caEnv...) {
			changes = append(changes, "ENV "+variable)
		}
	}
	changes = append(changes,
		labelInstructions(b.labels("Debian "+s.suite, map[string]string{baseLabel: origin}))...)
	err = b.importImage(ctx, root, s.ref(), changes)
	if err == nil {
		_, _ = io.Copy(io.Discard, root) // padding after the end of the archive
	}
	if finished := root.finish(); finished != nil {
		if err == nil { // the engine may have made an image from an incomplete tree
			err = b.removeTag(context.WithoutCancel(ctx), s.ref())
		}
		return errors.Join(finished, err)
	}
	if err != nil {
		return err
	}
	b.logf("%s: stand-in ready in %s: %s", sources, formatSeconds(started), origin)
	return nil
}

// standInPrefix begins the origin of a stand-in. It contains a space, which no image's name does.
const standInPrefix = "debian "

// scratchOrigin is the origin of an image without a base: the agent's.
const scratchOrigin = "scratch"

// BaseModeOf returns the base mode that produced origin, or Auto if the origin does not say.
func BaseModeOf(origin string) BaseMode {
	switch {
	case origin == "" || origin == scratchOrigin:
		return Auto
	case strings.HasPrefix(origin, standInPrefix):
		return Debian
	}
	return Official
}

// standInOrigin returns the origin of a stand-in: "debian <suite>: <package> <version>, ...".
func standInOrigin(s standIn, versions map[string]string) string {
	parts := make([]string, len(s.packages))
	for i, name := range s.packages {
		parts[i] = name + " " + versions[name]
	}
	return standInPrefix + s.suite + ": " + strings.Join(parts, ", ")
}

// orderOrigin returns a stand-in's origin with the packages in the order of s. The order must not
// depend on which of the sources that share the stand-in was first.
func orderOrigin(s standIn, origin string) string {
	_, list, _ := strings.Cut(origin, ": ")
	versions := make(map[string]string)
	for _, part := range strings.Split(list, ", ") {
		name, version, _ := strings.Cut(part, " ")
		versions[name] = version
	}
	for _, name := range s.packages {
		if versions[name] == "" {
			return origin // it has another form
		}
	}
	return standInOrigin(s, versions)
}

// importImage makes an image from a tar stream, with changes as instructions of a Dockerfile.
func (b *Builder) importImage(ctx context.Context, rootFS io.Reader, ref string, changes []string) error {
	if err := b.engine.ImportImage(ctx, rootFS, ref, changes); err != nil {
		return fmt.Errorf("import image %s: %w", ref, err)
	}
	return nil
}

// caBundle returns the host's CA certificates in PEM, or nil if the default file does not exist.
func (b *Builder) caBundle() ([]byte, error) {
	path := b.opts.CABundle
	if path == "" {
		path = b.opts.Getenv("SSL_CERT_FILE")
	}
	configured := path != ""
	if !configured {
		path = debianBundle
	}
	bundle, err := os.ReadFile(path)
	if !configured && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the CA bundle for stand-ins: %w", err)
	}
	return bundle, nil
}

// sha256Hex returns the SHA-256 of data in hexadecimal.
func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
