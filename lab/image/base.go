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
)

// BaseMode is which bases a run is to use.
type BaseMode string

const (
	Auto     BaseMode = "auto"     // official images; stand-ins where no registry can be reached
	Official BaseMode = "official" // official images or an error
	Debian   BaseMode = "debian"   // stand-ins made of Debian packages
)

// ParseBaseMode reads the value of LAB_BASES; empty means Auto.
func ParseBaseMode(value string) (BaseMode, error) {
	switch mode := BaseMode(value); mode {
	case "":
		return Auto, nil
	case Auto, Official, Debian:
		return mode, nil
	}
	return "", &lab.Fault{
		Code: lab.ExitUsage,
		Err:  fmt.Errorf("LAB_BASES is %q", value),
		Hint: "valid are auto, official and debian",
	}
}

// base is what one runtime's image is built on.
type base struct {
	id       string // the engine's image id, which is what BASE_IMAGE stands for
	origin   string
	identity string // what of the base goes into the content hash
	err      error  // why there is none; the other fields are then empty
}

// resolveBases finds or makes a base for every runtime, all of one kind. What goes
// wrong with one is in its base and keeps no other from having its own.
func (b *Builder) resolveBases(ctx context.Context, runtimes []lab.Runtime) map[string]base {
	if found := b.localBases(ctx, runtimes); found != nil {
		return found
	}
	cannot := b.checkCanBootstrap()
	if b.opts.Bases == Debian {
		if cannot != nil {
			cannot = &lab.Fault{
				Code: lab.ExitFailed,
				Err:  fmt.Errorf("make base images of Debian packages: %w", cannot),
				Hint: "run as root on Linux beside the engine, or set LAB_BASES=official",
			}
		}
		return b.standIns(ctx, runtimes, cannot)
	}
	found, unreached := b.pullOfficial(ctx, runtimes)
	if unreached == nil || b.opts.Bases == Official || ctx.Err() != nil {
		return found
	}
	if cannot == nil {
		b.logf("no registry can be reached (%v)", unreached)
		b.logf("NOTICE: all runtimes are built on stand-ins made of Debian packages, not on their official images")
		return b.standIns(ctx, runtimes, nil)
	}
	cannot = &lab.Fault{
		Code: lab.ExitFailed,
		Err:  fmt.Errorf("%w; stand-ins cannot be made: %w", unreached, cannot),
		Hint: "give the engine access to a registry (a proxy or a mirror in its configuration), load the " +
			"official images " +
			"(docker load), or run as root on Linux beside the engine, where stand-ins are made of Debian packages",
	}
	if !slices.ContainsFunc(runtimes, func(rt lab.Runtime) bool { return found[rt.Name].err == nil }) {
		return b.standIns(ctx, runtimes, cannot)
	}
	for name, one := range found {
		if one.err != nil {
			found[name] = base{err: cannot}
		}
	}
	return found
}

// localBases is the bases of one kind when every runtime's is on the engine
// already, nil otherwise.
func (b *Builder) localBases(ctx context.Context, runtimes []lab.Runtime) map[string]base {
	if b.opts.Bases != Debian {
		found, err := collectBases(ctx, runtimes, b.localOfficial)
		// what is refused is not replaced: pullOfficial says why
		if found != nil || errors.As(err, new(*lab.Fault)) {
			return found
		}
	}
	if b.opts.Bases == Official {
		return nil
	}
	bundle, err := b.caBundle()
	if err != nil {
		return nil // told when stand-ins are needed
	}
	found, _ := collectBases(ctx, runtimes, func(ctx context.Context, rt lab.Runtime) (*base, error) {
		return b.localStandIn(ctx, newStandIn(rt, bundle))
	}) // an error is told when they are made one by one
	return found
}

// collectBases returns the base of every runtime, or nil when one is missing or could
// not be looked up.
func collectBases(
	ctx context.Context, runtimes []lab.Runtime, find func(context.Context, lab.Runtime) (*base, error),
) (map[string]base, error) {
	all := make(map[string]base, len(runtimes))
	for _, rt := range runtimes {
		found, err := find(ctx, rt)
		if err != nil || found == nil {
			return nil, err
		}
		all[rt.Name] = *found
	}
	return all, nil
}

// localOfficial is the runtime's official image where the engine has it.
func (b *Builder) localOfficial(ctx context.Context, rt lab.Runtime) (*base, error) {
	if rt.Base.Official == "" {
		return nil, nil
	}
	got, err := b.inspect(ctx, rt.Base.Official)
	if err != nil || got == nil {
		return nil, err
	}
	if err := b.checkPlatform(ctx, rt.Base.Official, got, wrongBase); err != nil {
		return nil, err
	}
	origin := officialOrigin(rt.Base.Official, got.ID, got.RepoDigests)
	return &base{id: got.ID, origin: origin, identity: origin}, nil
}

// officialOrigin is "<ref>@sha256:<digest>". An image that did not come from a
// registry (docker load) has no digest: its origin then says so.
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

// pullOfficial has the official image of every runtime on the engine. The first
// pull that is needed decides whether a registry can be reached: if not, no
// other is tried and the error says so. What goes wrong after it is that
// runtime's own error.
func (b *Builder) pullOfficial(ctx context.Context, runtimes []lab.Runtime) (named map[string]base,
	unreached error,
) {
	all := make([]base, len(runtimes))
	first := true
	var later errgroup.Group
	for i, rt := range runtimes {
		found, err := b.localOfficial(ctx, rt)
		switch {
		case err != nil:
			all[i].err = err
		case found != nil:
			all[i] = *found
		case rt.Base.Official == "":
			all[i].err = fmt.Errorf("runtime %s (%s) names no official image", rt.Name, rt.File)
		case unreached != nil:
			all[i].err = unreached
		case first:
			first = false
			if all[i] = b.pullBase(ctx, rt); isUnreachable(all[i].err) {
				unreached = all[i].err
			}
		default:
			later.Go(func() error {
				all[i] = b.pullBase(ctx, rt)
				return nil
			})
		}
	}
	_ = later.Wait() // errors are in the bases
	named = make(map[string]base, len(runtimes))
	for i, rt := range runtimes {
		if err := all[i].err; err != nil && !errors.As(err, new(*lab.Fault)) {
			all[i].err = &lab.Fault{
				Code: lab.ExitFailed, Err: err,
				Hint: "check the name of the image and the engine's access " +
					"to its registry; LAB_BASES=debian builds all runtimes on Debian packages instead (on Linux as root)",
			}
		}
		named[rt.Name] = all[i]
	}
	return named, unreached
}

func (b *Builder) pullBase(ctx context.Context, rt lab.Runtime) base {
	if err := b.pull(ctx, rt.Base.Official); err != nil {
		return base{err: err}
	}
	found, err := b.localOfficial(ctx, rt)
	if err == nil && found == nil {
		err = fmt.Errorf("the engine pulled %s and does not have it", rt.Base.Official)
	}
	if err != nil {
		return base{err: err}
	}
	return *found
}

// checkCanBootstrap is nil where stand-ins can be made.
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
