package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// BaseMode selects the bases of a run.
type BaseMode string

// Modes of a run's bases, as LAB_BASES names them.
const (
	Auto     BaseMode = "auto"     // official images, or stand-ins if no registry can be reached
	Official BaseMode = "official" // official images, or an error
	Debian   BaseMode = "debian"   // stand-ins built from Debian packages
)

// ParseBaseMode parses a value of LAB_BASES. An empty value means Auto.
func ParseBaseMode(value string) (BaseMode, error) {
	switch mode := BaseMode(value); mode {
	case "":
		return Auto, nil
	case Auto, Official, Debian:
		return mode, nil
	}
	return "", &fault.Error{
		Code: fault.ExitUsage,
		Err:  fmt.Errorf("LAB_BASES is %q", value),
		Hint: "set it to auto, official or debian",
	}
}

// base is the image that the image of one source is built on.
type base struct {
	id       string // the engine's image id, the value of BASE_IMAGE
	origin   string // the text for people: an image reference, or packages with versions
	identity string // the base's part of the content hash
	err      error  // why the base is missing; the other fields are then empty

	// buildOnlyEnv is the part of its environment that images built on it must not have.
	buildOnlyEnv []string
}

// resolveBases returns a base for every source, by name. A failure is stored in the base of its own
// source and does not affect the others.
func (b *Builder) resolveBases(ctx context.Context, sources []lab.ImageSource) map[string]base {
	based, own := splitByBase(sources)
	all := b.resolveDeclaredBases(ctx, based)
	for _, src := range own {
		found, err := b.ownBase(ctx, src, true)
		if err != nil {
			found = &base{err: err}
		}
		all[src.Name] = *found
	}
	return all
}

// splitByBase returns the sources that declare a base, and those with a Dockerfile of the user's own.
func splitByBase(sources []lab.ImageSource) (based, own []lab.ImageSource) {
	for _, src := range sources {
		if src.IsOwnImage() {
			own = append(own, src)
		} else {
			based = append(based, src)
		}
	}
	return based, own
}

// resolveDeclaredBases returns a base for every source that declares one, by name: all official, or
// all stand-ins.
func (b *Builder) resolveDeclaredBases(ctx context.Context, sources []lab.ImageSource) map[string]base {
	if found := b.localBases(ctx, sources); found != nil {
		return found
	}
	bootstrapErr := b.checkCanBootstrap()
	if b.opts.Bases == Debian {
		if bootstrapErr != nil {
			bootstrapErr = &fault.Error{
				Code: fault.ExitFailed,
				Err:  fmt.Errorf("build base images from Debian packages: %w", bootstrapErr),
				Hint: "run as root on a Linux machine that also runs the engine, or set LAB_BASES=official",
			}
		}
		return b.ensureStandIns(ctx, sources, bootstrapErr)
	}
	found, unreachable := b.pullOfficial(ctx, sources)
	if unreachable == nil || b.opts.Bases == Official || ctx.Err() != nil {
		return found
	}
	if bootstrapErr == nil {
		b.logf("no registry can be reached (%v)", unreachable)
		b.logf("NOTICE: all runtimes are built on stand-ins from Debian packages, not on their official images; " +
			"set LAB_BASES=official to fail instead")
		return b.ensureStandIns(ctx, sources, nil)
	}
	bootstrapErr = &fault.Error{
		Code: fault.ExitFailed,
		Err:  fmt.Errorf("%w; stand-ins cannot be made: %w", unreachable, bootstrapErr),
		Hint: "give the engine access to a registry (a proxy or a mirror in its configuration), " +
			"load the official images (docker load), or run as root on a Linux machine that also runs the engine: " +
			"the lab then builds stand-ins from Debian packages",
	}
	if !slices.ContainsFunc(sources, func(src lab.ImageSource) bool { return found[src.Name].err == nil }) {
		return b.ensureStandIns(ctx, sources, bootstrapErr)
	}
	for name, official := range found {
		if official.err != nil {
			found[name] = base{err: bootstrapErr}
		}
	}
	return found
}

// localBases returns the bases if the engine already has one of the same kind for every source,
// and nil otherwise. Every source declares a base.
func (b *Builder) localBases(ctx context.Context, sources []lab.ImageSource) map[string]base {
	if b.opts.Bases != Debian {
		found, err := collectBases(ctx, sources, b.localOfficial)
		// A refused image is not replaced by a stand-in: pullOfficial reports it.
		if found != nil || errors.As(err, new(*fault.Error)) {
			return found
		}
	}
	if b.opts.Bases == Official {
		return nil
	}
	bundle, err := b.caBundle()
	if err != nil {
		return nil // ensureStandIns reports it when stand-ins are needed
	}
	found, _ := collectBases(ctx, sources, func(ctx context.Context, src lab.ImageSource) (*base, error) {
		return b.localStandIn(ctx, newStandIn(src, bundle))
	}) // ensureStandIns reports an error for each source
	return found
}

// collectBases returns the base of every source, by name. It returns nil if one is missing, and an
// error if one cannot be read.
func collectBases(
	ctx context.Context, sources []lab.ImageSource,
	find func(context.Context, lab.ImageSource) (*base, error),
) (map[string]base, error) {
	all := make(map[string]base, len(sources))
	for _, src := range sources {
		found, err := find(ctx, src)
		if err != nil || found == nil {
			return nil, err
		}
		all[src.Name] = *found
	}
	return all, nil
}

// localOfficial returns the source's official image as a base, or nil if the engine does not have
// it.
func (b *Builder) localOfficial(ctx context.Context, src lab.ImageSource) (*base, error) {
	if src.Base.Official == "" {
		return nil, nil
	}
	got, err := b.inspect(ctx, src.Base.Official)
	if err != nil || got == nil {
		return nil, err
	}
	if err := b.checkPlatform(ctx, src.Base.Official, got, wrongBaseHint); err != nil {
		return nil, err
	}
	origin := officialOrigin(src.Base.Official, got.ID, got.Digests)
	return &base{id: got.ID, origin: origin, identity: origin}, nil
}

// officialOrigin returns "<ref>@sha256:<digest>". An image that was not pulled from a registry
// (docker load) has no digest; its origin says so and names the image id.
func officialOrigin(ref, id string, digests []string) string {
	name := ref
	if named, err := reference.ParseNormalizedNamed(ref); err == nil {
		name = reference.FamiliarName(named)
	}
	for _, candidate := range digests {
		if repo, digest, ok := strings.Cut(candidate, "@"); ok && repo == name {
			return strings.TrimSuffix(ref, "@"+digest) + "@" + digest
		}
	}
	return ref + " (no registry digest; image id " + id + ")"
}

// pullOfficial pulls the official images that the engine does not have and returns a base for every
// source. The first pull decides whether a registry can be reached. If it cannot, pullOfficial
// pulls nothing else and returns the error as unreachable. A later failure affects its own source
// only.
func (b *Builder) pullOfficial(
	ctx context.Context, sources []lab.ImageSource,
) (bases map[string]base, unreachable error) {
	all := make([]base, len(sources))
	first := true
	var later errgroup.Group
	for i, src := range sources {
		found, err := b.localOfficial(ctx, src)
		switch {
		case err != nil:
			all[i].err = err
		case found != nil:
			all[i] = *found
		case src.Base.Official == "":
			all[i].err = fmt.Errorf("%s (%s) names no official image", src.Title, src.File)
		case unreachable != nil:
			all[i].err = unreachable
		case first:
			first = false
			if all[i] = b.pullBase(ctx, src); errors.Is(all[i].err, ErrUnreachable) {
				unreachable = all[i].err
			}
		default:
			later.Go(func() error {
				all[i] = b.pullBase(ctx, src)
				return nil
			})
		}
	}
	_ = later.Wait() // each base holds its own error
	bases = make(map[string]base, len(sources))
	for i, src := range sources {
		if err := all[i].err; err != nil && !errors.As(err, new(*fault.Error)) {
			all[i].err = &fault.Error{
				Code: fault.ExitFailed, Err: err,
				Hint: "check the name of the image and the engine's access to its registry; " +
					"LAB_BASES=debian builds all runtimes on Debian packages instead (on Linux as root)",
			}
		}
		bases[src.Name] = all[i]
	}
	return bases, unreachable
}

// pullBase pulls the source's official image and returns it as a base.
func (b *Builder) pullBase(ctx context.Context, src lab.ImageSource) base {
	if err := b.pull(ctx, src.Base.Official); err != nil {
		return base{err: err}
	}
	found, err := b.localOfficial(ctx, src)
	if err == nil && found == nil {
		err = fmt.Errorf("image %s is missing after the engine pulled it", src.Base.Official)
	}
	if err != nil {
		return base{err: err}
	}
	return *found
}

// checkCanBootstrap returns why stand-ins cannot be made here, or nil.
func (b *Builder) checkCanBootstrap() error {
	switch {
	case b.opts.EngineIsRemote:
		return errors.New("the engine runs on another machine")
	case b.goos != "linux":
		return errors.New("this is not Linux")
	case b.euid != 0:
		return errors.New("not root")
	case !b.hasTools() && b.opts.Install == nil:
		return errors.New("mmdebstrap is not installed")
	}
	return nil
}
