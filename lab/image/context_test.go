package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// contextOf reads a build context and returns its paths, its content hash, and its error.
func contextOf(t *testing.T, dir string) (paths []string, sum string, err error) {
	t.Helper()
	rt := lab.ImageSource{
		Name: "node", ContextDir: dir, Dockerfile: "Dockerfile",
		Ignore: []string{"node_modules", "__pycache__", ".*_cache"},
	}
	files, err := readContext(rt)
	if err != nil {
		return nil, "", err
	}
	for _, f := range files {
		paths = append(paths, f.path)
	}
	sum, err = ContentSHA256(rt, "base")
	return paths, sum, err
}

// link makes a symbolic link, and its folder.
func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

func TestLitterIsNotPartOfTheContext(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"Dockerfile", "app.js", "lib/a.js",
		// Names that only look like litter.
		"page.swf", ".page.swf", "#heading.md", "notes~1.txt", "_private.js", "dsstore", "swp", "lib/.env",
		".babelrc", "4913", "a.orig",
	} {
		write(t, filepath.Join(dir, name), name)
	}
	write(t, filepath.Join(dir, ".dockerignore"), "*\n!*.js\n!lib\n!*.swf\n!*.md\n!*.txt\n!dsstore\n!swp\n"+
		"!.babelrc\n!4913\n!a.orig\n!.*\n!#*\n!Thumbs.db\n!*~\n!*.swp\n")
	before, sum, err := contextOf(t, dir)
	if err != nil || len(before) != 15 {
		t.Fatalf("%q, %v", before, err)
	}
	for _, in := range []string{"", "lib/"} {
		link(t, "me@machine.4711:1700000000", filepath.Join(dir, in+".#app.js"))
		for _, name := range []string{
			"#app.js#", "app.js~", ".app.js.swp", ".app.js.swo", ".swp", "app.js.swp", ".app.js.un~",
			".app.js.kate-swp", ".~lock.data.csv#", "._app.js", ".DS_Store", "Thumbs.db", "thumbs.db", "desktop.ini",
			".nfs000000000a1b2c3d00000001", ".fuse_hidden0000000100000001", ".idea/workspace.xml",
			".vscode/settings.json", ".pytest_cache/README.md", ".mypy_cache/x.json",
			".ruff_cache/x", "node_modules/x/index.js", "__pycache__/a.pyc",
		} {
			write(t, filepath.Join(dir, in+name), "litter")
		}
	}
	after, littered, err := contextOf(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(after, "\n") != strings.Join(before, "\n") || littered != sum {
		t.Errorf("the context changed to %q from %q", after, before)
	}
}

func TestEveryLitterPatternIsValidAndHasAReason(t *testing.T) {
	for _, row := range litter {
		if _, err := filepath.Match(row.pattern, "x"); err != nil || row.reason == "" {
			t.Errorf("%+v: %v", row, err)
		}
	}
}

// A dangling link makes a COPY fail, or the server that opens it.
func TestLinksOutOfTheContextAreRefused(t *testing.T) {
	tests := []struct {
		name, target string
		want         string // part of the error; empty: the link is valid
	}{
		{"lib/current.js", "nosuch.js", "lib/current.js is a symbolic link to nosuch.js"},
		{"lib/ignored", "../notes.md", "lib/ignored is a symbolic link to ../notes.md"},
		{"lib/installed", "../node_modules/x", "lib/installed is a symbolic link to ../node_modules/x"},
		{"round", "round", "round is a symbolic link to round"},
		{"through", "folder/b.js", "through is a symbolic link to folder/b.js"},
		{"to/file", "../app.js", ""},
		{"to/folder", "../lib", ""},
		{"to/here", ".", ""},
		{"to/two", "../folder/a.js", ""}, // through another link
		{"to/twice", "two", ""},
		{"image", "/usr/local/bin/node", ""}, // a place in the image
		{"outside", "../shared/a.js", ""},    // valid too: it depends on where COPY puts the link
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{"Dockerfile", "app.js", "lib/a.js", "notes.md", "node_modules/x"} {
				write(t, filepath.Join(dir, name), name)
			}
			write(t, filepath.Join(dir, ".dockerignore"), "*.md\n")
			link(t, "lib", filepath.Join(dir, "folder"))
			link(t, "../folder/a.js", filepath.Join(dir, "to/two"))
			if tt.name != "to/two" {
				link(t, tt.target, filepath.Join(dir, tt.name))
			}
			_, _, err := contextOf(t, dir)
			switch {
			case tt.want == "":
				if err != nil {
					t.Error(err)
				}
			case err == nil || !strings.Contains(err.Error(), filepath.Join(dir, tt.want)) ||
				fault.ExitCode(err) != fault.ExitUsage:
				t.Errorf("exit code %d: %v; want %q", fault.ExitCode(err), err, tt.want)
			}
		})
	}
}

// Some file systems have no executable bit, and others set it on every file.
func TestFileModesDependOnContentOnly(t *testing.T) {
	files := map[string]string{
		"Dockerfile": "FROM x", "app.js": "1", "start": "#!/bin/sh\n", "program": "\x7fELF\x02", "empty": "",
		"short": "#",
	}
	wanted := map[string]int64{
		"Dockerfile": 0o644, "app.js": 0o644, "start": 0o755, "program": 0o755, "empty": 0o644, "short": 0o644,
	}
	sums := map[string]os.FileMode{}
	for _, checkout := range []os.FileMode{0o644, 0o755, 0o777, 0o600} {
		dir := t.TempDir()
		for name, text := range files {
			write(t, filepath.Join(dir, name), text)
			if err := os.Chmod(filepath.Join(dir, name), checkout); err != nil {
				t.Fatal(err)
			}
		}
		_, sum, err := contextOf(t, dir)
		if err != nil {
			t.Fatal(err)
		}
		sums[sum] = checkout
		packed, err := readContext(lab.ImageSource{ContextDir: dir, Dockerfile: "Dockerfile"})
		if err != nil {
			t.Fatal(err)
		}
		var archive bytes.Buffer
		if err := writeTar(&archive, packed); err != nil {
			t.Fatal(err)
		}
		for in := tar.NewReader(&archive); ; {
			header, err := in.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if header.Mode != wanted[header.Name] {
				t.Errorf("%o in the checkout: %s has mode %o, want %o",
					checkout, header.Name, header.Mode, wanted[header.Name])
			}
		}
	}
	if len(sums) != 1 {
		t.Errorf("equal content has %d hashes: %v", len(sums), sums)
	}
}
