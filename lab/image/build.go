package image

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
)

// buildJob is the state of building one source's image.
type buildJob struct {
	source  lab.ImageSource
	base    base
	content string // content_sha256 of the image

	made   Built // by the engine, not yet tagged
	result lab.Image
	built  bool
	err    error
}

// buildAll builds the missing images in parallel. Only after all builds have ended does it remove
// their intermediate images, because builds may share them.
func (b *Builder) buildAll(
	ctx context.Context, sources []lab.ImageSource, bases map[string]base,
) map[string]Result {
	jobs := make([]*buildJob, len(sources))
	var running sync.WaitGroup
	for i, src := range sources {
		jobs[i] = &buildJob{source: src, base: bases[src.Name]}
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
	found, err := b.findImage(ctx, imageRef(j.source.Name, j.content), j.content)
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

// build has the engine build the job's image, and sets what it made and left.
func (b *Builder) build(ctx context.Context, j *buildJob, files []contextFile) error {
	var archive bytes.Buffer
	if err := writeTar(&archive, files); err != nil {
		return fmt.Errorf("pack the build context of %s: %w", j.source.Title, err)
	}
	var err error
	j.made, err = b.engine.BuildImage(ctx, Build{
		Context:     &archive,
		Dockerfile:  j.source.Dockerfile,
		Base:        j.base.id,
		Args:        b.buildArgs(j),
		HostNetwork: b.proxyOnLoopback(),
		StopTimeout: b.cleanupTimeout,
		Labels: b.labels(
			j.source.Folder, map[string]string{contentLabel: j.content, originLabel: j.base.origin},
		),
	})
	if unused := j.made.UnusedArgs; err == nil && len(unused) > 0 {
		// An unused argument means that the wrong image was built.
		err = fmt.Errorf("%s takes no argument %s", j.source.Dockerfile, strings.Join(unused, ", "))
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("build the image of %s: %w", j.source.Title, context.Cause(ctx))
	}
	return &fault.Error{
		Code: fault.ExitFailed,
		Err: fmt.Errorf("build the image of %s (%s): %w\n%s",
			j.source.Title, j.source.ContextDir, err, lastLines(j.made.Output)),
		Hint: "read the build's output above; if an installer cannot reach its registry, check the network and " +
			"the proxy variables of this shell",
	}
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

// buildArgs returns the build arguments: the proxies of this host, the source's own arguments, and
// BASE_IMAGE if the lab chooses the base.
func (b *Builder) buildArgs(j *buildJob) map[string]string {
	args := b.proxies()
	maps.Copy(args, j.source.BuildArgs)
	if !j.source.IsOwnImage() {
		args[lab.BaseImageArg] = j.base.id
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

// proxyOnLoopback reports whether a proxy of builds listens on this host's loopback interface, which
// a bridge network cannot reach.
func (b *Builder) proxyOnLoopback() bool {
	for name, value := range b.proxies() {
		if !strings.EqualFold(name, "no_proxy") && onLoopback(value) {
			return true
		}
	}
	return false
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
