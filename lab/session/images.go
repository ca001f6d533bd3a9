package session

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/agent/binary"
	"runtimelab/lab/engine"
	"runtimelab/lab/image"
	"runtimelab/lab/record"
	"runtimelab/lab/serve"
)

// NewBuilder returns a builder of images on an engine.
func NewBuilder(e engine.Engine, o image.Options) *image.Builder {
	o.EngineIsRemote = !e.Local()
	return image.NewBuilder(e, o)
}

// ensureAgent builds the image of the agent for an architecture if it is missing. It also
// returns the SHA-256 of the agent, in hexadecimal.
func ensureAgent(
	ctx context.Context, b *image.Builder, arch string,
) (built lab.Image, sum string, err error) {
	program, err := binary.ForArch(arch)
	if err != nil {
		return built, "", err
	}
	hash := sha256.Sum256(program)
	built, err = b.EnsureAgent(ctx, program)
	return built, hex.EncodeToString(hash[:]), err
}

// EnsureImages builds the images of runtimes, and checks their settings. It returns
// images by variant id, and the reasons why variants have none. It is an error if no
// runtime has an image.
func (s *Session) EnsureImages(
	ctx context.Context, runtimes []lab.Runtime,
) (images map[string]lab.Image, missing map[string]string, err error) {
	built := s.builder.Ensure(ctx, runtimes)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	images, missing = make(map[string]lab.Image), make(map[string]string)
	var failures []error
	for _, r := range runtimes {
		result := built[r.Name]
		if result.Err == nil {
			result.Err = s.checkSettings(ctx, r, result.Image)
		}
		if result.Err != nil {
			failures = append(failures, result.Err)
			s.logf("%s is not measured: %v", r.Name, result.Err)
		}
		for _, v := range r.Variants {
			err := result.Err
			if err == nil {
				err = s.run.AdmitServer(ctx, v, result.Image, cmp.Or(r.Image, result.Image.Ref))
			}
			if err != nil && result.Err == nil {
				failures = append(failures, err)
				s.logf("%s is not measured: %v", v.ID(), err)
			}
			if err != nil {
				cause, _, _ := strings.Cut(err.Error(), "\n") // the message above has the rest
				missing[v.ID()] = "image: " + cause
			} else {
				images[v.ID()] = result.Image
			}
		}
	}
	if len(images) == 0 {
		return nil, nil, fmt.Errorf("no runtime has an image that can be measured: %w", errors.Join(failures...))
	}
	return images, missing, nil
}

// checkSettings returns an error if the image of a runtime sets something that the lab
// cannot override, such as a nested volume.
func (s *Session) checkSettings(ctx context.Context, r lab.Runtime, img lab.Image) error {
	if err := s.run.Admit(ctx, img.Ref); err != nil {
		from := cmp.Or(r.Image, filepath.Join(r.ContextDir, r.Dockerfile))
		return fmt.Errorf("runtime %s (%s): %w", r.Name, from, err)
	}
	return nil
}

// TrialImages holds the variants of a plan's trials and their images, by variant id.
type TrialImages struct {
	Variants map[string]lab.Variant
	Images   map[string]lab.Image
	Errors   map[string]string // why a variant has no image
}

// BuildImages builds the images that a plan's trials need of runtimes. A twin uses the
// image of its original, and the lab's responders use the agent's.
func (s *Session) BuildImages(
	ctx context.Context, p lab.Plan, runtimes []lab.Runtime,
) (all TrialImages, err error) {
	measured := map[string]bool{}
	for _, t := range p.Trials {
		measured[lab.OriginalOf(t.Variant)] = true
	}
	var needed []lab.Runtime
	for _, r := range runtimes {
		r.Variants = slices.DeleteFunc(slices.Clone(r.Variants),
			func(v lab.Variant) bool { return !measured[v.ID()] })
		if len(r.Variants) > 0 {
			needed = append(needed, r)
		}
	}
	all.Variants = make(map[string]lab.Variant)
	if all.Images, all.Errors, err = s.EnsureImages(ctx, needed); err != nil {
		return all, err
	}
	for _, r := range needed {
		for _, v := range r.Variants {
			twin := v.Twin()
			all.Variants[v.ID()], all.Variants[twin.ID()] = v, twin
			if built, ok := all.Images[v.ID()]; ok {
				all.Images[twin.ID()] = built
			}
		}
	}
	for _, v := range append(serve.References(), serve.Burn()) {
		all.Variants[v.ID()], all.Images[v.ID()] = v, s.Agent
	}
	return all, nil
}

// MeasuredVariants returns the variants of a plan's trials with their images, by id.
func (t TrialImages) MeasuredVariants(p lab.Plan) map[string]record.MeasuredVariant {
	all := make(map[string]record.MeasuredVariant)
	for _, trial := range p.Trials {
		id := trial.Variant
		all[id] = record.MeasuredVariant{Variant: record.WithoutCredentials(t.Variants[id]), Image: t.Images[id]}
	}
	return all
}
