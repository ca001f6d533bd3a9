package shipped

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab/fault"
)

// archiveOf returns an archive of files, each with its name as content. Those named start are
// executable.
func archiveOf(t *testing.T, names ...string) []byte {
	t.Helper()
	var data bytes.Buffer
	w := tar.NewWriter(&data)
	for _, name := range names {
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(name))}
		if filepath.Base(name) == "start" {
			header.Mode = 0o755
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

func TestUnpackWritesFilesWithTheirModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	names := []string{"runtimes/rt/.dockerignore", "runtimes/rt/app/__init__.py", "scenarios/services/db/start"}
	if err := Unpack(archiveOf(t, names...), dir); err != nil {
		t.Fatal(err)
	}
	var found []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		found = append(found, name)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if executable := info.Mode()&0o100 != 0; executable != strings.HasSuffix(name, "start") {
			t.Errorf("%s has the mode %v", name, info.Mode())
		}
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != name {
			t.Errorf("%s contains %q, %v", name, text, err)
		}
		return nil
	})
	if err != nil || !slices.Equal(found, names) {
		t.Errorf("found %q, %v; want %q", found, err, names)
	}
}

func TestUnpackRefusesAFolderThatIsNotEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := Unpack(archiveOf(t, "runtimes/README.md"), dir)
	var userErr *fault.Error
	if !errors.As(err, &userErr) || userErr.Code != fault.ExitUsage ||
		!strings.Contains(err.Error(), "is not empty: it has notes.txt") || userErr.Hint == "" {
		t.Errorf("error %v, want one that names the file and says what to do", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}

// A name that leads out of the folder, or an archive that ends early, leaves nothing behind.
func TestUnpackLeavesNoPartOfAnArchive(t *testing.T) {
	whole := archiveOf(t, "runtimes/README.md", "scenarios/README.md")
	for name, data := range map[string][]byte{
		"a name that leads out": archiveOf(t, "runtimes/README.md", "../outside"),
		"a truncated archive":   whole[:2*512+100], // in the header of the second file
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "lab")
			if err := Unpack(data, dir); err == nil {
				t.Error("no error")
			}
			beside, err := os.ReadDir(filepath.Dir(dir))
			if err != nil || len(beside) != 1 {
				t.Errorf("beside the folder: %v, %v", beside, err)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
				t.Errorf("the folder has %v, %v", entries, err)
			}
		})
	}
}

// The lab that this test is built with has the files that make a folder a root of the lab, or says how
// to get them.
func TestArchiveHasTheFoldersOfTheLab(t *testing.T) {
	data, err := Archive()
	var userErr *fault.Error
	if errors.As(err, &userErr) && strings.Contains(userErr.Hint, "make build") && os.Getenv("CI") == "" {
		t.Skip("a fresh clone: make build has not run")
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := Unpack(data, dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range Folders {
		if _, err := os.Stat(filepath.Join(dir, name, "README.md")); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != len(Folders) {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}
