package image

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// mmdebstrapInstalled reports whether mmdebstrap and Debian's signing keys are on this host.
func mmdebstrapInstalled() bool {
	_, err := exec.LookPath("mmdebstrap")
	keys, _ := filepath.Glob("/usr/share/keyrings/debian-archive-keyring.*") // the only error is a bad pattern
	return err == nil && len(keys) > 0
}

// mmdebstrap starts making the root file system of s and returns when its first byte is available.
// It runs in its own process and mount namespaces: if it is stopped, its children end with it and
// its folder has no mounts.
func mmdebstrap(ctx context.Context, s standIn) (*rootFS, error) {
	lock, err := newLockedDir(os.TempDir())
	if err != nil {
		return nil, fmt.Errorf("make a folder for mmdebstrap: %w", err)
	}
	root, err := startMmdebstrap(ctx, s, lock.Path())
	if err != nil {
		return nil, errors.Join(err, removeLockedDir(lock))
	}
	ended := root.finish
	root.finish = func() error { return errors.Join(ended(), removeLockedDir(lock)) }
	return root, nil
}

// treeDirPrefix begins the names of temporary root trees.
const treeDirPrefix = "runtime-lab-base-"

// newLockedDir makes a folder for a root tree in a parent folder and locks it. The lock ends with
// this process, so an unlocked folder is stale.
func newLockedDir(parent string) (*flock.Flock, error) {
	dir, err := os.MkdirTemp(parent, treeDirPrefix)
	if err != nil {
		return nil, err
	}
	lock := lockOfDir(dir)
	if _, err := lock.TryLock(); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), os.Remove(dir))
	}
	return lock, nil
}

// lockOfDir returns the lock of a folder. Locking anything else fails, because opening a pipe would
// block.
func lockOfDir(dir string) *flock.Flock {
	return flock.New(dir, flock.SetFlag(os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW))
}

// removeStaleDirs removes the root trees in parent whose lab was killed: they are no longer locked.
func removeStaleDirs(parent string) error {
	dirs, err := filepath.Glob(filepath.Join(parent, treeDirPrefix+"*"))
	if err != nil {
		return fmt.Errorf("look for the folders of killed builds: %w", err)
	}
	for _, dir := range dirs {
		lock := lockOfDir(dir)
		if free, err := lock.TryLock(); err != nil || !free {
			continue // it is in use or no folder, does not exist any more, or belongs to another user
		}
		if err := removeLockedDir(lock); err != nil {
			return fmt.Errorf("remove the folder of a killed build: %w", err)
		}
	}
	return nil
}

// removeLockedDir removes a locked folder and then unlocks it.
func removeLockedDir(lock *flock.Flock) error {
	return errors.Join(removeTree(lock.Path()), lock.Close())
}

// startMmdebstrap starts mmdebstrap with dir for its temporary files.
func startMmdebstrap(ctx context.Context, s standIn, dir string) (*rootFS, error) {
	versionsFile, bundleFile := filepath.Join(dir, "versions"), filepath.Join(dir, "ca-certificates.crt")
	if err := os.Chmod(dir, 0o755); err != nil { // apt downloads as another user
		return nil, fmt.Errorf("make mmdebstrap's folder readable: %w", err)
	}
	if err := os.WriteFile(bundleFile, s.bundle, 0o600); err != nil {
		return nil, fmt.Errorf("write the CA bundle for mmdebstrap: %w", err)
	}
	args := append([]string{"--mount", "--mount-proc", "--pid", "--fork", "--kill-child", "mmdebstrap"},
		mmdebstrapArgs(s, hostMirror(ctx))...)
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TMPDIR="+dir, "LAB_VERSIONS="+versionsFile,
		"LAB_CA_BUNDLE="+bundleFile)
	cmd.SysProcAttr = childAttributes()
	cmd.WaitDelay = 10 * time.Second // for children that hold standard error open
	var messages bytes.Buffer
	cmd.Stderr = &messages
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start mmdebstrap: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start mmdebstrap: %w", err)
	}
	finish := func() error {
		_ = stdout.Close() // if mmdebstrap still runs, its next write ends it
		err := cmd.Wait()
		if ctx.Err() != nil {
			return fmt.Errorf("mmdebstrap: %w", context.Cause(ctx))
		}
		if err != nil {
			return fmt.Errorf("mmdebstrap: %w\n%s", err, lastLines(messages.String()))
		}
		return nil
	}
	// The tar begins when everything is installed and the hooks have run.
	reader := bufio.NewReaderSize(stdout, 1<<20)
	if _, err := reader.Peek(1); err != nil {
		if failed := finish(); failed != nil {
			return nil, failed
		}
		return nil, errors.New("mmdebstrap ended without output")
	}
	versions, err := readVersions(versionsFile, s.packages)
	if err != nil {
		return nil, errors.Join(err, finish())
	}
	return &rootFS{Reader: reader, versions: versions, finish: finish}, nil
}

// removeTree removes a folder. It retries for two seconds, because killed processes may still write
// into it.
func removeTree(dir string) error {
	for attempt := 0; ; attempt++ {
		err := os.RemoveAll(dir)
		if err == nil || attempt == 20 {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// mmdebstrapArgs returns the arguments with which mmdebstrap writes a tar archive of suite and
// packages to standard output. Expired Release files are accepted, because a mirror may not be up
// to date.
func mmdebstrapArgs(s standIn, mirror string) []string {
	args := []string{
		"--mode=root", "--variant=apt", "--format=tar",
		"--include=" + strings.Join(append(slices.Clone(s.packages), "ca-certificates"), ","),
		`--aptopt=Acquire::Check-Valid-Until "false"`,
		"--dpkgopt=force-unsafe-io", // an unfinished tree is removed, so dpkg need not sync
		"--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-include=/usr/share/doc/*/copyright",
		`--customize-hook=chroot "$1" dpkg-query --show --showformat='${Package} ${Version}\n' ` +
			strings.Join(s.packages, " ") + ` > "$LAB_VERSIONS"`,
	}
	if len(s.bundle) > 0 {
		args = append(args, `--customize-hook=install -m 644 "$LAB_CA_BUNDLE" "$1`+debianBundle+`"`)
	}
	args = append(args, s.suite, "-")
	if mirror != "" {
		args = append(args, mirror)
	}
	return args
}

// hostMirror returns the address of the Debian archive that this host's apt uses. It returns "",
// which selects mmdebstrap's default, if the host is not Debian or has no package lists.
func hostMirror(ctx context.Context) string {
	const format = "$(ORIGIN)|$(LABEL)|$(CODENAME)|$(REPO_URI)"
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", format).Output()
	if err != nil {
		return ""
	}
	return debianArchive(string(out))
}

// debianArchive returns the first address of Debian's main archive in targets, which are lines of
// "origin|label|codename|address". The archives of updates and of security fixes differ in codename
// or label.
func debianArchive(targets string) string {
	for line := range strings.Lines(targets) {
		fields := strings.SplitN(strings.TrimSpace(line), "|", 4)
		if len(fields) == 4 && fields[0] == "Debian" && fields[1] == "Debian" && !strings.Contains(fields[2], "-") {
			return fields[3]
		}
	}
	return ""
}

// readVersions reads a file with lines of "package version", which must name all packages.
func readVersions(path string, packages []string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the versions that mmdebstrap installed: %w", err)
	}
	versions := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		versions[name] = version
	}
	for _, name := range packages {
		if versions[name] == "" {
			return nil, fmt.Errorf("mmdebstrap did not report the version of %s that it installed", name)
		}
	}
	return versions, nil
}
