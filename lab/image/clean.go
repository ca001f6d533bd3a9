package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
)

// List returns the lab's images: of runtimes, services and the agent, and stand-ins. It leaves out
// official images, and images that a user built on one of the lab's and tagged, although these
// inherit its label.
func (b *Builder) List(ctx context.Context) ([]StoredImage, error) {
	all, err := b.engine.ListImages(ctx, ownerLabel+"="+owner)
	if err != nil {
		return nil, fmt.Errorf("list the lab's images: %w", err)
	}
	all = slices.DeleteFunc(all, func(s StoredImage) bool {
		return slices.ContainsFunc(s.Refs, func(ref string) bool { return !strings.HasPrefix(ref, repository) })
	})
	slices.SortFunc(all, func(a, b StoredImage) int {
		return strings.Compare(strings.Join(a.Refs, " ")+a.ID, strings.Join(b.Refs, " ")+b.ID)
	})
	return all, nil
}

// ListSuperseded returns the lab's images that the given sources and agents, as they are now,
// would not use on any base that the engine has.
func (b *Builder) ListSuperseded(
	ctx context.Context, sources []lab.ImageSource, agents ...[]byte,
) ([]StoredImage, error) {
	current := make(map[string]bool)
	for _, binary := range agents {
		current[imageRef(agentName, sha256Hex(binary))] = true
	}
	bundle, err := b.caBundle()
	if err != nil {
		return nil, err
	}
	for _, src := range sources {
		if src.Image != "" {
			continue // the user's, which has none of the lab's labels
		}
		refs, err := b.currentRefs(ctx, src, newStandIn(src, bundle))
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			current[ref] = true
		}
	}
	all, err := b.List(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(s StoredImage) bool {
		return slices.ContainsFunc(s.Refs, func(ref string) bool { return current[ref] })
	}), nil
}

// currentRefs returns the tags that a source uses now: of its stand-in, and of its images on both
// bases.
func (b *Builder) currentRefs(ctx context.Context, src lab.ImageSource, s standIn) ([]string, error) {
	if src.IsOwnImage() {
		own, err := b.ownBase(ctx, src, false)
		if err != nil || own == nil {
			return nil, err
		}
		content, err := ContentSHA256(src, own.identity)
		return []string{imageRef(src.Name, content)}, err
	}
	official, err := b.localOfficial(ctx, src)
	if err != nil {
		return nil, err
	}
	made, err := b.localStandIn(ctx, s)
	if err != nil {
		return nil, err
	}
	refs := []string{s.ref()}
	if _, ref, err := b.findStandIn(ctx, s); err != nil {
		return nil, err
	} else if ref != "" {
		refs = append(refs, ref)
	}
	for _, found := range []*base{official, made} {
		if found == nil {
			continue
		}
		content, err := ContentSHA256(src, found.identity)
		if err != nil {
			return nil, err
		}
		refs = append(refs, imageRef(src.Name, content))
	}
	return refs, nil
}

// Remove removes images. An image that a container uses stays and is reported in the error; the
// others are still removed.
func (b *Builder) Remove(ctx context.Context, images []StoredImage) error {
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	var failed error
	for _, img := range images {
		names := img.Refs
		if len(names) == 0 {
			names = []string{img.ID}
		}
		for _, name := range names {
			failed = errors.Join(failed, b.removeTag(ctx, name))
		}
	}
	return failed
}

// removeTag removes a tag, and the image if it was the last one. A missing tag is no error.
func (b *Builder) removeTag(ctx context.Context, name string) error {
	if err := b.engine.RemoveImage(ctx, name); err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("remove image %s: %w", name, err)
	}
	return nil
}
