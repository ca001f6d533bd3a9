package image

import (
	"bytes"
	"context"
	"fmt"

	"runtimelab/lab"
)

const (
	agentName  = "agent"
	serverUser = "65532:65532" // of every runtime's Dockerfile
)

// EnsureAgent has an image ready that holds nothing but binary, a static executable,
// at /agent. It has no entry point: whoever creates a container names one. The
// lab's own responders run from it as what every other server is: not root.
func (b *Builder) EnsureAgent(ctx context.Context, binary []byte) (lab.Image, error) {
	content := sha256Hex(binary)
	ref := runtimeRef(agentName, content)
	if found, err := b.findImage(ctx, ref, content); err != nil || found != nil {
		return orZero(found), err
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return lab.Image{}, err
	}
	defer unlock()
	if found, err := b.findImage(ctx, ref, content); err != nil || found != nil {
		return orZero(found), err // another lab was faster
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
		err = fmt.Errorf("the engine imported %s and does not have it", ref)
	}
	return orZero(found), err
}

func orZero(img *lab.Image) lab.Image {
	if img == nil {
		return lab.Image{}
	}
	return *img
}
