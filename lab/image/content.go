package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// contentFormat is part of every content hash. Change it when the lab builds images differently
// from the same content.
const contentFormat = "runtime-lab image 2"

// ContentSHA256 returns the hash, in hexadecimal, that identifies a source's image by its input:
// every file of the build context (path, mode, bytes; without litter, and what the source ignores
// or .dockerignore excludes), the name of the Dockerfile, the source's build arguments, and
// baseIdentity. That is "<ref>@<digest>" for an official image, and origin and hash for a stand-in.
// Proxy settings of the host are not included.
func ContentSHA256(src lab.ImageSource, baseIdentity string) (string, error) {
	files, err := readContext(src)
	if err != nil {
		return "", err
	}
	return contentHash(src, files, baseIdentity), nil
}

// contentHash returns the hash of ContentSHA256 for files that are already read.
func contentHash(src lab.ImageSource, files []contextFile, baseIdentity string) string {
	sum := newFieldHash()
	sum.add(contentFormat, baseIdentity, src.Dockerfile, strconv.Itoa(len(src.BuildArgs)))
	for _, name := range slices.Sorted(maps.Keys(src.BuildArgs)) {
		sum.add(name, src.BuildArgs[name])
	}
	for _, file := range files {
		sum.add(file.path, fmt.Sprintf("%o", file.mode()), file.link, string(file.data))
	}
	return sum.hex()
}

// fieldHash hashes a sequence of strings. It includes their lengths, so that no two sequences
// collide.
type fieldHash struct{ hash.Hash }

// newFieldHash returns an empty fieldHash.
func newFieldHash() fieldHash { return fieldHash{sha256.New()} }

// add appends fields to the sequence.
func (h fieldHash) add(fields ...string) {
	for _, field := range fields {
		fmt.Fprintf(h, "%d:", len(field))
		_, _ = io.WriteString(h, field) // writing to a hash never fails
	}
}

// hex returns the hash in hexadecimal.
func (h fieldHash) hex() string { return hex.EncodeToString(h.Sum(nil)) }

// contextFile is one file of a build context.
type contextFile struct {
	path       string // relative to the context, with slashes
	executable bool
	link       string // target of a symbolic link; empty for a file
	data       []byte
}

// mode returns the file's permission bits in the image.
func (f contextFile) mode() int64 {
	if f.executable {
		return 0o755
	}
	return 0o644
}

// isProgram reports whether a kernel can execute a file with this content: a script that names its
// interpreter, or an ELF program. The executable bit of the checkout does not count, because
// archives lose it and FAT, NTFS, SMB and WSL set it on every file.
func isProgram(data []byte) bool {
	return bytes.HasPrefix(data, []byte("#!")) || bytes.HasPrefix(data, []byte("\x7fELF"))
}

// readContext returns the files of a source's build context, sorted by path.
func readContext(src lab.ImageSource) ([]contextFile, error) {
	files, err := readFolder(src.ContextDir, src.Dockerfile, src.Ignore)
	if err != nil {
		return nil, fmt.Errorf("read the build context of %s: %w", src.Title, err)
	}
	if !slices.ContainsFunc(files, func(f contextFile) bool { return f.path == src.Dockerfile }) {
		return nil, &fault.Error{
			Code: fault.ExitFailed,
			Err: fmt.Errorf("build the image of %s: there is no %s in %s",
				src.Title, src.Dockerfile, src.ContextDir),
			Hint: "create it, or name another file in " + src.File + " (context, dockerfile)",
		}
	}
	return files, nil
}

// readFolder returns the files of a build context, without litter, without names that match a
// pattern of ignore, and without what .dockerignore excludes.
func readFolder(dir, dockerfile string, ignore []string) ([]contextFile, error) {
	ignored, err := readIgnored(dir)
	if err != nil {
		return nil, err
	}
	var files []contextFile
	err = filepath.WalkDir(dir, func(full string, entry fs.DirEntry, err error) error {
		if err != nil || full == dir {
			return err
		}
		if isLitter(entry.Name(), ignore) {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		relative, err := filepath.Rel(dir, full)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(relative)
		skip, err := ignored.MatchesOrParentMatches(name)
		if err != nil {
			return fmt.Errorf("match %s against .dockerignore: %w", name, err)
		}
		if skip && name != dockerfile && name != ".dockerignore" { // the engine needs both
			return nil
		}
		file, err := readContextFile(full, name, entry)
		if err != nil {
			return err
		}
		files = append(files, file)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b contextFile) int { return strings.Compare(a.path, b.path) })
	return files, checkLinks(dir, files)
}

// readIgnored returns a matcher for the patterns of a folder's .dockerignore. A missing file
// excludes nothing.
func readIgnored(dir string) (*patternmatcher.PatternMatcher, error) {
	var patterns []string
	file, err := os.Open(filepath.Join(dir, ".dockerignore"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		patterns, err = ignorefile.ReadAll(file)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("read %s: %w", file.Name(), err)
		}
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("%s/.dockerignore: %w", dir, err)
	}
	return matcher, nil
}

// readContextFile reads the file or symbolic link at full, which is called name in the context.
func readContextFile(full, name string, entry fs.DirEntry) (contextFile, error) {
	file := contextFile{path: name}
	info, err := entry.Info()
	if err != nil {
		return file, err
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		file.link, err = os.Readlink(full)
	case info.Mode().IsRegular():
		file.data, err = os.ReadFile(full)
		file.executable = isProgram(file.data)
	default:
		err = fmt.Errorf("%s is not a file, a folder or a symbolic link", full)
	}
	return file, err
}

// writeTar writes files as a tar archive that depends on their content only: times and owners are
// zero. It writes the folders too, because an engine creates missing ones unreadable for everybody
// but root.
func writeTar(w io.Writer, files []contextFile) error {
	out := tar.NewWriter(w)
	folders := map[string]bool{".": true}
	for _, file := range files {
		for _, folder := range missingFolders(folders, path.Dir(file.path)) {
			header := &tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, ModTime: time.Unix(0, 0)}
			if err := out.WriteHeader(header); err != nil {
				return err
			}
		}
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: file.path, Mode: file.mode(),
			Size: int64(len(file.data)), ModTime: time.Unix(0, 0),
		}
		if file.link != "" {
			header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, file.link, 0o777
		}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		if _, err := out.Write(file.data); err != nil {
			return err
		}
	}
	return out.Close()
}

// missingFolders returns folder and its parents, outermost first, without the known ones, and adds
// them to known.
func missingFolders(known map[string]bool, folder string) []string {
	if known[folder] {
		return nil
	}
	known[folder] = true
	return append(missingFolders(known, path.Dir(folder)), folder)
}
