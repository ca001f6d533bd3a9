package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/record"
	"runtimelab/lab/serve"
)

// runImages holds the variants of a plan's trials and their images, by variant id.
type runImages struct {
	variants    map[string]lab.Variant
	images      map[string]lab.Image
	imageErrors map[string]string // why a variant has no image
}

// buildImages builds the images that a plan's trials need. A twin uses the image of its
// original, and the lab's responders use the agent's.
func (m *measurement) buildImages(ctx context.Context, p lab.Plan) (all runImages, err error) {
	measured := map[string]bool{}
	for _, t := range p.Trials {
		measured[t.Variant], measured[lab.OriginalOf(t.Variant)] = true, true
	}
	all.variants = make(map[string]lab.Variant)
	runtimes := m.library.RuntimesOf(func(v lab.Variant) bool { return measured[v.ID()] })
	if all.images, all.imageErrors, err = m.ensureImages(ctx, runtimes); err != nil {
		return all, err
	}
	for _, r := range runtimes {
		for _, v := range r.Variants {
			if !measured[v.ID()] {
				continue
			}
			twin := v.Twin()
			all.variants[v.ID()], all.variants[twin.ID()] = v, twin
			if built, ok := all.images[v.ID()]; ok {
				all.images[twin.ID()] = built
			}
		}
	}
	for _, v := range append(serve.References(), serve.Burn()) {
		all.variants[v.ID()], all.images[v.ID()] = v, m.agent
	}
	return all, nil
}

// currentInfo returns the content of run.json for a run that starts now: the plan, and the
// conditions on this machine.
func (m *measurement) currentInfo(p lab.Plan, images runImages) record.Info {
	return record.Info{
		StartedAt:        time.Now().UTC(),
		Plan:             p,
		RawHits:          m.raw,
		MeasuredVariants: images.measuredVariants(p),
		Host:             record.HostOf(m.topology),
		Engine: map[string]string{
			"kind":           m.facts.Kind,
			"version":        m.facts.Version,
			"api_version":    m.facts.API,
			"cgroup_version": m.facts.CgroupVersion,
			"os":             m.facts.OS,
			"kernel":         m.facts.Kernel,
			"arch":           m.facts.Arch,
			"storage":        m.facts.Storage,
		},
		Versions: versions(),
	}
}

// measuredVariants returns the variants of a plan's trials with their images, by id.
func (c runImages) measuredVariants(p lab.Plan) map[string]record.MeasuredVariant {
	all := make(map[string]record.MeasuredVariant)
	for _, t := range p.Trials {
		all[t.Variant] = record.MeasuredVariant{
			Variant: withoutCredentials(c.variants[t.Variant]), Image: c.images[t.Variant],
		}
	}
	return all
}

// withoutCredentials returns a variant with the hashes of its headers in place of their values, which
// may be credentials. Results are shared.
func withoutCredentials(v lab.Variant) lab.Variant {
	if v.Own == nil {
		return v
	}
	own := *v.Own
	own.Headers = hashValues(own.Headers)
	if own.Ready != nil {
		ready := *own.Ready
		ready.Header = hashValues(ready.Header)
		own.Ready = &ready
	}
	v.Own = &own
	return v
}

// hashValues returns a map with the same keys, and with a hash of each value.
func hashValues(values map[string]string) map[string]string {
	hashed := maps.Clone(values)
	for name, value := range hashed {
		sum := sha256.Sum256([]byte(value))
		hashed[name] = "sha256:" + hex.EncodeToString(sum[:])
	}
	return hashed
}
