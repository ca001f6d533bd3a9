package image

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"runtimelab/lab"
)

// maxLinks limits how many links one path leads through, as the kernel does.
const maxLinks = 40

// checkLinks returns an error for a symbolic link that leads to something in the
// folder which is not part of the build context. A COPY of the link would fail, or
// the server that opens it. A target outside the folder is a place in the image.
func checkLinks(dir string, files []contextFile) error {
	links, there := make(map[string]string), map[string]bool{".": true}
	for _, file := range files {
		if file.link != "" {
			links[file.path] = file.link
		}
		for name := file.path; !there[name]; name = path.Dir(name) {
			there[name] = true
		}
	}
	for _, file := range files {
		if file.link == "" || leadsOn(file.path, links, there) {
			continue
		}
		return &lab.Fault{
			Code: lab.ExitUsage,
			Err: fmt.Errorf("%s is a symbolic link to %s, which is not part of the build context",
				filepath.Join(dir, filepath.FromSlash(file.path)), file.link),
			Hint: "remove the link, exclude it in .dockerignore, or make it in the Dockerfile (RUN ln -s)",
		}
	}
	return nil
}

// leadsOn follows the links on the way to name and reports whether that ends at
// something that is there, or outside the folder.
func leadsOn(name string, links map[string]string, there map[string]bool) bool {
	at, followed := ".", 0
	for left := strings.Split(name, "/"); len(left) > 0; {
		next := path.Join(at, left[0])
		left = left[1:]
		if strings.HasPrefix(next, "..") && (next == ".." || next[2] == '/') {
			return true
		}
		target, isLink := links[next]
		switch {
		case !there[next]:
			return false
		case !isLink:
			at = next
		case path.IsAbs(target):
			return true
		case followed == maxLinks:
			return false
		default:
			followed++
			left = append(strings.Split(target, "/"), left...)
		}
	}
	return true
}
