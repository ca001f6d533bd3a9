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
)

func mmdebstrapInstalled() bool {
	_, err := exec.LookPath("mmdebstrap")
	keys, _ := filepath.Glob("/usr/share/keyrings/debian-archive-keyring.*") // only a bad pattern is an error
	return err == nil && len(keys) > 0
}

// mmdebstrap starts the making of s and returns when its first byte is there.
// It runs in process and mount namespaces of its own: whenever it is stopped,
// its children end with it and nothing stays mounted in its folder.
func mmdebstrap(ctx context.Context, s standIn) (*rootFS, error) {
	folder, err := newLockedDir(os.TempDir())
	if err != nil {
		return nil, fmt.Errorf("make a folder for mmdebstrap: %w", err)
	}
	root, err := startMmdebstrap(ctx, s, folder.Name())
	if err != nil {
		return nil, errors.Join(err, removeLockedDir(folder))
	}
	ended := root.finish
	root.finish = func() error { return errors.Join(ended(), removeLockedDir(folder)) }
	return root, nil
}

// treeDirPrefix is what the folders that trees are made in are called.
const treeDirPrefix = "runtime-lab-base-"

// newLockedDir makes one and locks it: a lock ends with its process, however that
// ends, and what is not locked is nobody's.
func newLockedDir(in string) (*os.File, error) {
	dir, err := os.MkdirTemp(in, treeDirPrefix)
	if err != nil {
		return nil, err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	if _, err := tryLock(folder); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), removeLockedDir(folder))
	}
	return folder, nil
}

// removeStaleDirs removes those of labs that were killed while they made a tree.
func removeStaleDirs(in string) error {
	left, err := filepath.Glob(filepath.Join(in, treeDirPrefix+"*"))
	if err != nil {
		return fmt.Errorf("look for what killed builds left: %w", err)
	}
	for _, dir := range left {
		// What is no folder, such as a pipe that somebody put there, is not opened.
		folder, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
		if err != nil {
			continue // or has gone, or is another user's
		}
		if free, err := tryLock(folder); err != nil || !free {
			_ = folder.Close()
			continue
		}
		if err := removeLockedDir(folder); err != nil {
			return fmt.Errorf("remove what a killed build left: %w", err)
		}
	}
	return nil
}

func removeLockedDir(folder *os.File) error {
	return errors.Join(removeTree(folder.Name()), folder.Close())
}

func startMmdebstrap(ctx context.Context, s standIn, dir string) (*rootFS, error) {
	versionsFile, bundleFile := filepath.Join(dir, "versions"), filepath.Join(dir, "ca-certificates.crt")
	if err := os.Chmod(dir, 0o755); err != nil { // apt downloads as a user of its own
		return nil, fmt.Errorf("open mmdebstrap's folder: %w", err)
	}
	if err := os.WriteFile(bundleFile, s.bundle, 0o600); err != nil {
		return nil, fmt.Errorf("hand the CA bundle to mmdebstrap: %w", err)
	}
	args := append([]string{"--mount", "--mount-proc", "--pid", "--fork", "--kill-child", "mmdebstrap"},
		mmdebstrapArgs(s, hostMirror(ctx))...)
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TMPDIR="+dir, "LAB_VERSIONS="+versionsFile,
		"LAB_CA_BUNDLE="+bundleFile)
	cmd.SysProcAttr = childAttributes()
	cmd.WaitDelay = 10 * time.Second // until children let go of standard error
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
		_ = stdout.Close() // it ends at its next write if it has not ended
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
		return nil, errors.New("mmdebstrap: it ended without output")
	}
	versions, err := readVersions(versionsFile, s.packages)
	if err != nil {
		return nil, errors.Join(err, finish())
	}
	return &rootFS{Reader: reader, versions: versions, finish: finish}, nil
}

// removeTree removes a folder in which processes that were killed may write
// for a moment still.
func removeTree(dir string) error {
	for attempt := 0; ; attempt++ {
		err := os.RemoveAll(dir)
		if err == nil || attempt == 20 {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// mmdebstrapArgs makes suite and packages a tar on standard output. The Release
// file of a suite may be past its date on a mirror that is not updated.
func mmdebstrapArgs(s standIn, mirror string) []string {
	args := []string{
		"--mode=root", "--variant=apt", "--format=tar",
		"--include=" + strings.Join(append(slices.Clone(s.packages), "ca-certificates"), ","),
		`--aptopt=Acquire::Check-Valid-Until "false"`,
		"--dpkgopt=force-unsafe-io", // a tree that did not get finished is thrown away
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

// hostMirror is the Debian archive that this host's apt uses; empty, which is
// mmdebstrap's own default, where the host is not Debian or has no package
// lists.
func hostMirror(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format",
		"$(ORIGIN)|$(LABEL)|$(CODENAME)|$(REPO_URI)").Output()
	if err != nil {
		return ""
	}
	return debianArchive(string(out))
}

// debianArchive is the first address of the main archive among lines of
// "origin|label|codename|address". The archives of security fixes and of
// updates carry a suffix in their codename or another label.
func debianArchive(targets string) string {
	for line := range strings.Lines(targets) {
		fields := strings.SplitN(strings.TrimSpace(line), "|", 4)
		if len(fields) == 4 && fields[0] == "Debian" && fields[1] == "Debian" && !strings.Contains(fields[2], "-") {
			return fields[3]
		}
	}
	return ""
}

// readVersions reads lines of "package version".
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
			return nil, fmt.Errorf("mmdebstrap does not say which version of %s it installed", name)
		}
	}
	return versions, nil
}
