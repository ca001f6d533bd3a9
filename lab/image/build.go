package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
)

// buildJob is the state of building one runtime's image.
type buildJob struct {
	source  lab.ImageSource
	base    base
	content string // content_sha256 of the image

	result     lab.Image
	built      bool
	builtID    string   // id of the image that the builder made, still untagged
	stepImages []string // ids of the intermediate images, made or found
	containers []string // ids of the containers that the build started
	err        error
}

// buildAll builds the missing images in parallel. Only after all builds have ended does it remove
// their intermediate images, because builds may share them.
func (b *Builder) buildAll(
	ctx context.Context, runtimes []lab.ImageSource, bases map[string]base,
) map[string]Result {
	jobs := make([]*buildJob, len(runtimes))
	var running sync.WaitGroup
	for i, rt := range runtimes {
		jobs[i] = &buildJob{source: rt, base: bases[rt.Name]}
		running.Go(func() { b.findOrBuild(ctx, jobs[i]) })
	}
	running.Wait()
	b.registerAndCleanUp(ctx, jobs)
	results := make(map[string]Result, len(jobs))
	for _, j := range jobs {
		results[j.source.Name] = Result{Image: j.result, Err: j.err, Built: j.built && j.err == nil}
	}
	return results
}

// findOrBuild sets the job's image: an existing one with the same content, or a new one.
func (b *Builder) findOrBuild(ctx context.Context, j *buildJob) {
	if j.err = j.base.err; j.err != nil {
		return
	}
	files, err := readContext(j.source)
	if err != nil {
		j.err = err
		return
	}
	j.content = contentHash(j.source, files, j.base.identity)
	found, err := b.findImage(ctx, runtimeRef(j.source.Name, j.content), j.content)
	if err != nil || found != nil {
		j.err = err
		if found != nil {
			j.result = *found
		}
		return
	}
	started := time.Now()
	b.logf("%s: building on %s", j.source.Name, j.base.origin)
	if j.err = b.build(ctx, j, files); j.err == nil {
		j.built = true
		b.logf("%s: built in %s", j.source.Name, formatSeconds(started))
	}
}

// Lines of the classic builder's output.
var (
	stepImage     = regexp.MustCompile(`(?m)^ ---> ([0-9a-f]{12})$`)
	stepContainer = regexp.MustCompile(`(?m)^ ---> Running in ([0-9a-f]{12})$`)
	builtImage    = regexp.MustCompile(`(?m)^Successfully built ([0-9a-f]{12})$`)
	unusedArgs    = regexp.MustCompile(`(?m)^\[Warning\] One or more build-args \[(.*)\] were not consumed$`)
)

// build runs the classic builder. It sets builtID, stepImages and containers of the job.
func (b *Builder) build(ctx context.Context, j *buildJob, files []contextFile) error {
	var archive bytes.Buffer
	if err := writeTar(&archive, files); err != nil {
		return fmt.Errorf("pack the build context of %s: %w", j.source.Title, err)
	}
	network, err := b.buildNetwork(ctx)
	if err != nil {
		return err
	}
	var output buildOutput
	err = b.buildOnce(ctx, &archive, client.ImageBuildOptions{
		Version:     build.BuilderV1,
		Dockerfile:  j.source.Dockerfile,
		Remove:      true,
		ForceRemove: true,
		NetworkMode: network,
		BuildArgs:   b.buildArgs(j),
		Labels: b.labels(
			j.source.Folder, map[string]string{contentLabel: j.content, originLabel: j.base.origin},
		),
	}, &output)
	text := output.text()
	j.stepImages = submatches(stepImage, text)
	j.containers = submatches(stepContainer, text)
	if err == nil {
		unused, ids := submatches(unusedArgs, text), submatches(builtImage, text)
		switch {
		case len(unused) > 0: // an unused argument means that the wrong image was built
			names := strings.Join(strings.Fields(unused[0]), ", ")
			err = fmt.Errorf("%s takes no argument %s", j.source.Dockerfile, names)
		case len(ids) != 1:
			err = errors.New("the engine's output does not name the image that it built")
		default:
			j.builtID = ids[0]
			return nil
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("build the image of %s: %w", j.source.Title, context.Cause(ctx))
	}
	return &fault.Error{
		Code: fault.ExitFailed,
		Err: fmt.Errorf("build the image of %s (%s): %w\n%s",
			j.source.Title, j.source.ContextDir, err, lastLines(text)),
		Hint: "read the build's output above; if an installer cannot reach its registry, check the network and " +
			"the proxy variables of this shell",
	}
}

// buildOnce runs one build to its end. If ctx is cancelled, it keeps the connection and removes the
// running step's container, so that the engine itself ends the build. If the connection were cut at
// once, the engine could commit images whose ids the lab never reads. The connection is cut only
// after cleanupTimeout.
func (b *Builder) buildOnce(
	ctx context.Context, archive io.Reader, options client.ImageBuildOptions, output *buildOutput,
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
			b.stopBuild(connection, output, ended)
			cut()
		}
	})
	response, err := b.engine.ImageBuild(connection, archive, options)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return readStream(response.Body, func(message jsonstream.Message) { output.add(message.Stream) })
}

// stopBuild removes the container of the running step, repeatedly, until the build has ended or
// cleanupTimeout has passed.
func (b *Builder) stopBuild(ctx context.Context, output *buildOutput, ended <-chan struct{}) {
	deadline := time.After(b.cleanupTimeout)
	for {
		if ids := submatches(stepContainer, output.text()); len(ids) > 0 {
			// An error is expected: the step has ended, and the next one has no container yet.
			_, _ = b.engine.ContainerRemove(ctx, ids[len(ids)-1],
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

// tailLines is the number of output lines that an error of a build shows.
const tailLines = 60

// lastLines returns the last tailLines lines of a build's output and says how many lines precede
// them.
func lastLines(output string) string {
	lines := strings.Split(strings.TrimRight(output, "\n"), "\n")
	if left := len(lines) - tailLines; left > 0 {
		return fmt.Sprintf("(%s before these)\n%s", message.Count(left, "line", "lines"),
			strings.Join(lines[left:], "\n"))
	}
	return strings.Join(lines, "\n")
}

// buildArgs returns the build arguments: the proxies of this host, the runtime's own arguments, and
// BASE_IMAGE if the lab chooses the base.
func (b *Builder) buildArgs(j *buildJob) map[string]*string {
	args := make(map[string]*string)
	for name, value := range b.proxies() {
		args[name] = &value
	}
	for name, value := range j.source.BuildArgs {
		args[name] = &value
	}
	if !j.source.IsOwnImage() {
		args[lab.BaseImageArg] = &j.base.id
	}
	return args
}

// proxies returns the proxy variables of this host's environment, by name.
func (b *Builder) proxies() map[string]string {
	set := make(map[string]string)
	for _, name := range lab.ProxyArgs {
		for _, spelling := range []string{name, strings.ToLower(name)} {
			if value := b.opts.Getenv(spelling); value != "" {
				set[spelling] = value
			}
		}
	}
	return set
}

// buildNetwork returns the network mode of builds: "host" if the engine has no bridge network or if
// a proxy listens on this host's loopback, which a bridge cannot reach; otherwise "", the engine's
// default.
func (b *Builder) buildNetwork(ctx context.Context) (string, error) {
	for name, value := range b.proxies() {
		if !strings.EqualFold(name, "no_proxy") && onLoopback(value) {
			return "host", nil
		}
	}
	_, err := b.engine.NetworkInspect(ctx, "bridge", client.NetworkInspectOptions{})
	if errdefs.IsNotFound(err) {
		return "host", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for the engine's bridge network: %w", err)
	}
	return "", nil
}

// onLoopback reports whether a proxy's address is on the loopback interface.
func onLoopback(proxy string) bool {
	if !strings.Contains(proxy, "://") {
		proxy = "http://" + proxy
	}
	address, err := url.Parse(proxy)
	if err != nil {
		return false
	}
	ip := net.ParseIP(address.Hostname())
	return address.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
