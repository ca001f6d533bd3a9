package image

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"runtimelab/lab/fault"
)

// maxLinks is the maximum number of links on the way to a file, as in Linux.
const maxLinks = 40

// checkLinks returns an error for a symbolic link whose target lies in dir but is not part of the
// build context. Such a link would make a COPY fail, or the server that opens it. A target outside
// dir is valid: it is a place in the image.
func checkLinks(dir string, files []contextFile) error {
	links, present := make(map[string]string), map[string]bool{".": true}
	for _, file := range files {
		if file.link != "" {
			links[file.path] = file.link
		}
		for name := file.path; !present[name]; name = path.Dir(name) {
			present[name] = true
		}
	}
	for _, file := range files {
		if file.link == "" || resolves(file.path, links, present) {
			continue
		}
		return &fault.Error{
			Code: fault.ExitUsage,
			Err: fmt.Errorf("%s is a symbolic link to %s, which is not part of the build context",
				filepath.Join(dir, filepath.FromSlash(file.path)), file.link),
			Hint: "remove the link, exclude it in .dockerignore, or make it in the Dockerfile (RUN ln -s)",
		}
	}
	return nil
}

// resolves follows the links on the way to name. It reports whether they end at a present file or
// folder, or outside the context.
func resolves(name string, links map[string]string, present map[string]bool) bool {
	at, followed := ".", 0
	for rest := strings.Split(name, "/"); len(rest) > 0; {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		if strings.HasPrefix(next, "..") && (next == ".." || next[2] == '/') {
			return true
		}
		target, isLink := links[next]
		switch {
		case !present[next]:
			return false
		case !isLink:
			at = next
		case path.IsAbs(target):
			return true
		case followed == maxLinks:
			return false
		default:
			followed++
			rest = append(strings.Split(target, "/"), rest...)
		}
	}
	return true
}
