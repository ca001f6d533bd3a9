// Package shipped embeds the runtimes and scenarios of the lab's own commit, so that lab serves
// without a checkout. make build archives what git tracks, and nothing else that lies in these folders.
package shipped

import (
	"archive/tar"
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"runtimelab/lab/fault"
)

// Folders are the folders that the lab ships.
var Folders = []string{"runtimes", "scenarios"}

// archive contains only a README in a fresh clone, so that the package compiles before make build.
//
//go:embed archive
var archive embed.FS

// Archive returns the embedded archive, for Unpack. The error is a *fault.Error if lab was built
// without it.
func Archive() ([]byte, error) {
	data, err := archive.ReadFile("archive/files.tar")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fault.Error{
			Code: fault.ExitFailed,
			Err:  errors.New("this lab was built without its runtimes and scenarios"),
			Hint: "Build it in a git checkout with: make build",
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the runtimes and scenarios in lab: %w", err)
	}
	return data, nil
}

// Unpack writes the files of an archive into a folder, which it creates if needed. The folder must be
// empty. If a file cannot be written, Unpack removes what it has written, because a part of the
// scenarios would look like all of them.
func Unpack(data []byte, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("creating the folder: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking into the folder: %w", err)
	}
	if len(entries) > 0 {
		return &fault.Error{
			Code: fault.ExitUsage,
			Err:  fmt.Errorf("%s is not empty: it has %s", dir, entries[0].Name()),
			Hint: "name a new or an empty folder",
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening the folder: %w", err)
	}
	defer root.Close()
	if err := extract(root, tar.NewReader(bytes.NewReader(data))); err != nil {
		for _, name := range Folders {
			err = errors.Join(err, root.RemoveAll(name))
		}
		return fmt.Errorf("writing the runtimes and scenarios into %s: %w", dir, err)
	}
	return nil
}

// extract writes the regular files of an archive below root. git archives nothing else that counts:
// folders follow from their files.
func extract(root *os.Root, files *tar.Reader) error {
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(files)
		if err != nil {
			return err
		}
		if err := root.MkdirAll(path.Dir(header.Name), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(header.Name, content, header.FileInfo().Mode().Perm()); err != nil {
			return err
		}
	}
}
