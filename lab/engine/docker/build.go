package docker

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"runtimelab/lab/image"
)

// Lines of the classic builder's output.
var (
	stepImage     = regexp.MustCompile(`(?m)^ ---> ([0-9a-f]{12})$`)
	stepContainer = regexp.MustCompile(`(?m)^ ---> Running in ([0-9a-f]{12})$`)
	builtImage    = regexp.MustCompile(`(?m)^Successfully built ([0-9a-f]{12})$`)
	unusedArgs    = regexp.MustCompile(`(?m)^\[Warning\] One or more build-args \[(.*)\] were not consumed$`)
)

// BuildImage runs the classic builder. The image has no tag, so that RegisterImage can make one
// without the builder's chain of intermediate images.
func (s imageStore) BuildImage(ctx context.Context, b image.Build) (built image.Built, err error) {
	network, err := s.buildNetwork(ctx, b)
	if err != nil {
		return built, err
	}
	args := make(map[string]*string)
	for name, value := range b.Args {
		args[name] = &value
	}
	var output buildOutput
	err = s.runBuild(ctx, b, client.ImageBuildOptions{
		Version:     build.BuilderV1,
		Dockerfile:  b.Dockerfile,
		Remove:      true,
		ForceRemove: true,
		NetworkMode: network,
		BuildArgs:   args,
		Labels:      b.Labels,
	}, &output)
	built.Output = output.text()
	built.Containers = submatches(stepContainer, built.Output)
	built.Steps = slices.DeleteFunc(submatches(stepImage, built.Output),
		func(id string) bool { return strings.HasPrefix(strings.TrimPrefix(b.Base, "sha256:"), id) })
	if err != nil {
		return built, err
	}
	for _, names := range submatches(unusedArgs, built.Output) {
		built.UnusedArgs = append(built.UnusedArgs, strings.Fields(names)...)
	}
	ids := submatches(builtImage, built.Output)
	if len(ids) != 1 {
		return built, errors.New("the engine's output does not name the image that it built")
	}
	built.ID = ids[0]
	return built, nil
}

// runBuild runs one build to its end. If ctx is cancelled, it keeps the connection and removes the
// running step's container, so that the engine itself ends the build. If the connection were cut at
// once, the engine could commit images whose ids the lab never reads. The connection is cut only
// after StopTimeout.
func (s imageStore) runBuild(
	ctx context.Context, b image.Build, options client.ImageBuildOptions, output *buildOutput,
) error {
	connection, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	ended := make(chan struct{})
	var stopping sync.WaitGroup
	defer stopping.Wait()
	defer close(ended)
	stopping.Go(func() {
		select {
		case <-ended:
		case <-ctx.Done():
			s.stopBuild(connection, b.StopTimeout, output, ended)
			cut()
		}
	})
	response, err := s.api.ImageBuild(connection, b.Context, options)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return readStream(response.Body, func(message jsonstream.Message) { output.add(message.Stream) })
}

// stopBuild removes the container of the running step, repeatedly, until the build has ended or
// timeout has passed.
func (s imageStore) stopBuild(
	ctx context.Context, timeout time.Duration, output *buildOutput, ended <-chan struct{},
) {
	deadline := time.After(timeout)
	for {
		if ids := submatches(stepContainer, output.text()); len(ids) > 0 {
			// An error is expected: the step has ended, and the next one has no container yet.
			_, _ = s.api.ContainerRemove(ctx, ids[len(ids)-1],
				client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		}
		select {
		case <-ended:
			return
		case <-deadline:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// buildOutput is the output of a build so far. It is safe for concurrent use.
type buildOutput struct {
	mu      sync.Mutex
	written strings.Builder
}

func (o *buildOutput) add(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.written.WriteString(text)
}

func (o *buildOutput) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.written.String()
}

// submatches returns the first submatch of every match of pattern in text.
func submatches(pattern *regexp.Regexp, text string) []string {
	var all []string
	for _, match := range pattern.FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	return all
}

// buildNetwork returns the network mode of a build: "host" if its steps must reach the host's
// loopback interface or if the engine has no bridge network; otherwise "", the engine's default.
func (s imageStore) buildNetwork(ctx context.Context, b image.Build) (string, error) {
	if b.HostNetwork {
		return "host", nil
	}
	_, err := s.api.NetworkInspect(ctx, "bridge", client.NetworkInspectOptions{})
	if errdefs.IsNotFound(err) {
		return "host", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for the engine's bridge network: %w", err)
	}
	return "", nil
}
