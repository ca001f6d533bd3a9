package session

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
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

// TrialImages holds the variants and services of trials with their images.
type TrialImages struct {
	Variants map[string]lab.Variant // by id
	Images   map[string]lab.Image   // by variant id
	Errors   map[string]string      // by variant id: why it has no image
	Services map[string]lab.Service // by name, also the lab's own
}

// EnsureImages builds the images of runtimes and services, and checks their settings. It is an error
// if no runtime has an image, or if a service has none.
func (s *Session) EnsureImages(
	ctx context.Context, runtimes []lab.Runtime, services []lab.ServiceDefinition,
) (all TrialImages, err error) {
	var sources []lab.ImageSource
	for _, r := range runtimes {
		sources = append(sources, r.Source())
	}
	for _, d := range services {
		sources = append(sources, d.Source)
	}
	built := s.builder.Ensure(ctx, sources)
	if ctx.Err() != nil {
		return all, context.Cause(ctx)
	}
	all.Images, all.Errors = make(map[string]lab.Image), make(map[string]string)
	var failures []error
	for _, r := range runtimes {
		result := built[r.Name]
		if result.Err == nil {
			result.Err = s.checkSettings(ctx, r.Source(), result.Image)
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
				all.Errors[v.ID()] = "image: " + cause
			} else {
				all.Images[v.ID()] = result.Image
			}
		}
	}
	if len(all.Images) == 0 {
		return all, fmt.Errorf("no runtime has an image that can be measured: %w", errors.Join(failures...))
	}
	all.Services, err = s.withImages(ctx, services, built)
	return all, err
}

// withImages returns the services that trials can have, by name: the lab's own, and those of folders
// with the images that were built.
func (s *Session) withImages(
	ctx context.Context, services []lab.ServiceDefinition, built map[string]image.Result,
) (map[string]lab.Service, error) {
	upstream := serve.Upstream()
	upstream.Image = s.Agent
	all := map[string]lab.Service{upstream.Name: upstream}
	for _, d := range services {
		result := built[d.Source.Name]
		if result.Err == nil {
			result.Err = s.checkSettings(ctx, d.Source, result.Image)
		}
		if result.Err != nil {
			return nil, result.Err
		}
		d.Service.Image = result.Image
		all[d.Service.Name] = d.Service
	}
	return all, nil
}

// checkSettings returns an error if an image sets something that the lab cannot override, such as a
// nested volume.
func (s *Session) checkSettings(ctx context.Context, source lab.ImageSource, img lab.Image) error {
	if err := s.run.Admit(ctx, img.Ref); err != nil {
		from := cmp.Or(source.Image, filepath.Join(source.ContextDir, source.Dockerfile))
		return fmt.Errorf("%s (%s): %w", source.Title, from, err)
	}
	return nil
}

// BuildImages builds the images that a plan's trials need of runtimes, and those of services. A twin
// uses the image of its original, and the lab's responders use the agent's.
func (s *Session) BuildImages(
	ctx context.Context, p lab.Plan, runtimes []lab.Runtime, services []lab.ServiceDefinition,
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
	if all, err = s.EnsureImages(ctx, needed, services); err != nil {
		return all, err
	}
	all.Variants = make(map[string]lab.Variant)
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

// ServicesOfFolders returns the services with their images, by name, without those of the lab, whose
// image is the agent's.
func (t TrialImages) ServicesOfFolders() map[string]lab.Service {
	all := maps.Clone(t.Services)
	delete(all, lab.UpstreamName)
	return all
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
