package image

import (
	"bytes"
	"context"
	"fmt"

	"runtimelab/lab"
)

const (
	agentName  = "agent"
	serverUser = "65532:65532" // the user that every runtime's Dockerfile sets
)

// EnsureAgent returns an image that contains only binary, a static executable, at /agent. It builds
// the image if needed. The image has no entry point, and its processes do not run as root, as in
// every server's image.
func (b *Builder) EnsureAgent(ctx context.Context, binary []byte) (lab.Image, error) {
	content := sha256Hex(binary)
	ref := imageRef(agentName, content)
	if found, err := b.findImage(ctx, ref, content); err != nil || found != nil {
		return orZero(found), err
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return lab.Image{}, err
	}
	defer unlock()
	if found, err := b.findImage(ctx, ref, content); err != nil || found != nil {
		return orZero(found), err // another lab built it while this one waited
	}
	var archive bytes.Buffer
	if err := writeTar(&archive, []contextFile{{path: "agent", executable: true, data: binary}}); err != nil {
		return lab.Image{}, fmt.Errorf("pack the agent: %w", err)
	}
	labels := b.labels("lab/cmd/agent", map[string]string{contentLabel: content, originLabel: scratchOrigin})
	err = b.importImage(ctx, &archive, ref, append([]string{"USER " + serverUser}, labelInstructions(labels)...))
	if err != nil {
		return lab.Image{}, err
	}
	found, err := b.findImage(ctx, ref, content)
	if err == nil && found == nil {
		err = fmt.Errorf("image %s is missing after the engine imported it", ref)
	}
	return orZero(found), err
}

// orZero returns the image that img points to, or the zero Image if img is nil.
func orZero(img *lab.Image) lab.Image {
	if img == nil {
		return lab.Image{}
	}
	return *img
}
