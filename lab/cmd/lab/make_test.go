package main

import (
	"archive/tar"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// nobody is the user that runs make if the tests run as root.
const nobody = 65534

// checkout is a folder with this repository's Makefile and the files that its recipes need.
type checkout struct {
	t     *testing.T
	dir   string
	log   string // file in which the stubs record their calls
	stubs string // folder of stubs for the PATH; empty for the real commands
	user  int    // user that runs make if the test runs as root; 0 for root itself
	env   []string
}

const goStub = `#!/bin/bash
set -eu
printf '%s|%s|%s|%s|%s\n' "${GOWORK-}" "${GOFLAGS-}" "${GO111MODULE-}" "${GOBIN-}" "$*" >> "$STUB_LOG"
make_program() { mkdir -p "$(dirname "$1")"; printf '#!/bin/sh\n' > "$1"; chmod +x "$1"; }
case $1 in
install)
	name=golangci-lint
	case $2 in *vegeta*) name=vegeta ;; *actionlint*) name=actionlint ;; esac
	make_program "$GOBIN/$name"
	;;
build) while [ "$1" != -o ]; do shift; done; make_program "$2" ;;
list) echo v12.0.0 ;;
esac
`

const pythonStub = `#!/bin/bash
set -eu
[ "${1-}" = -m ] && [ "${2-}" = venv ] || exit 0
mkdir -p "$3/bin"
for program in python pip-audit; do printf '#!/bin/sh\n' > "$3/bin/$program"; chmod +x "$3/bin/$program"; done
`

// newCheckout creates a checkout below a go.work, at a path that a shell would split.
func newCheckout(t *testing.T, stubs bool) *checkout {
	t.Helper()
	above := t.TempDir()
	// The test runs make as another user if it is root. That user needs access.
	if err := os.Chmod(filepath.Dir(above), 0o755); err != nil {
		t.Fatal(err)
	}
	c := &checkout{t: t, dir: filepath.Join(above, "a b's $HOME"), log: filepath.Join(above, "log")}
	for _, name := range []string{
		"Makefile", ".gitignore", ".ci/audit", "lab/cmd/agent/default.pgo",
		"lab/page/testdata/package.json", "lab/page/testdata/package-lock.json",
	} {
		text, err := os.ReadFile(filepath.Join("../../..", name))
		if err != nil {
			t.Fatal(err)
		}
		c.write(name, string(text))
	}
	if err := os.Chmod(filepath.Join(c.dir, ".ci/audit"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.write("../go.work", "go 1.26\n")
	c.write("../log", "")
	c.write("go.mod", "module runtimelab\n\ngo 1.26\n")
	c.write("go.sum", "")
	for _, name := range []string{"lab", "agent"} {
		c.write("lab/cmd/"+name+"/main.go", "package main\n\nfunc main() {}\n")
	}
	c.write("lab/agent/binary/programs/README.md", "")
	c.write("lab/shipped/archive/README.md", "")
	c.write("lab/x_test.go", "package lab\n\nfunc FuzzX(f *testing.F) {}\n")
	c.write("runtimes/python/requirements.txt", "")
	if err := os.Chmod(c.log, 0o666); err != nil {
		t.Fatal(err)
	}
	if stubs {
		c.stubs = filepath.Join(above, "stubs")
		c.write("../stubs/go", goStub)
		c.write("../stubs/python3", pythonStub)
		programs := []string{"gofmt", "npm", "node", "chromium", "pdftotext"}
		for _, name := range programs {
			c.write("../stubs/"+name, "#!/bin/sh\n")
		}
		for _, name := range append(programs, "go", "python3") {
			if err := os.Chmod(filepath.Join(c.stubs, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c
}

func (c *checkout) write(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// git runs git in the checkout, with line ends as on Windows, and returns its output.
func (c *checkout) git(args ...string) string {
	c.t.Helper()
	settings := []string{
		"-C", c.dir, "-c", "core.autocrlf=true", "-c", "user.name=x", "-c", "user.email=x@example.test",
	}
	git := exec.CommandContext(c.t.Context(), "git", append(settings, args...)...)
	git.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir}
	out, err := git.CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %s: %v\n%s", args, err, out)
	}
	return string(out)
}

// commit makes the checkout a git repository with one commit of all files that are not ignored.
func (c *checkout) commit() {
	c.t.Helper()
	c.git("init", "--quiet")
	c.git("add", "--all")
	c.git("commit", "--quiet", "--message=x")
}

// make runs a target and returns its output.
func (c *checkout) make(target string) (string, error) {
	cmd := exec.CommandContext(c.t.Context(), "make", "--no-print-directory", "-C", c.dir, target)
	cmd.Env = []string{
		"PATH=" + c.stubs + string(filepath.ListSeparator) + os.Getenv("PATH"),
		"HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir(),
		"STUB_LOG=" + c.log, "GOCACHE=" + os.Getenv("GOCACHE"), "GOTOOLCHAIN=local",
	}
	cmd.Env = append(cmd.Env, c.env...)
	if os.Geteuid() == 0 && c.user != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: uint32(c.user), Gid: uint32(c.user)},
		}
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// chown gives the checkout, or a folder in it, to a user if the test runs as root.
func (c *checkout) chown(name string, user int) {
	c.t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	err := filepath.WalkDir(filepath.Join(c.dir, name), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, user, user)
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// targets returns the targets of the Makefile that have a help text.
func targets(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`(?m)^([a-z-]+):.*## `).FindAllSubmatch(text, -1) {
		all = append(all, string(match[1]))
	}
	if len(all) < 10 {
		t.Fatalf("targets: %q", all)
	}
	return all
}

// checkCalls checks the environment of all calls of go.
func (c *checkout) checkCalls() {
	c.t.Helper()
	calls, err := os.ReadFile(c.log)
	if err != nil {
		c.t.Fatal(err)
	}
	for call := range strings.Lines(string(calls)) {
		fields := strings.SplitN(strings.TrimSpace(call), "|", 5)
		if fields[0] != "off" || fields[1] != "-mod=readonly" || fields[2] != "on" {
			c.t.Errorf("GOWORK, GOFLAGS and GO111MODULE are %q in: go %s", fields[:3], fields[4])
		}
		if bin := filepath.Join(c.dir, "bin/build"); strings.HasPrefix(fields[4], "install ") && fields[3] != bin {
			c.t.Errorf("GOBIN is %q in: go %s; want %s", fields[3], fields[4], bin)
		}
	}
}

// Neither a user's settings, nor a go.work above, nor special characters in the path may matter.
func TestMakeWorksWhereverTheCheckoutLies(t *testing.T) {
	for _, target := range targets(t) {
		t.Run(target, func(t *testing.T) {
			c := newCheckout(t, true)
			c.env = []string{"GOFLAGS=-mod=vendor", "GO111MODULE=off"}
			c.commit() // what make dist builds
			if out, err := c.make(target); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			c.checkCalls()
			beside, err := os.ReadDir(filepath.Dir(c.dir))
			if err != nil || len(beside) != 4 { // the checkout, go.work, the log and the stubs
				t.Errorf("files beside the checkout: %v, %v", beside, err)
			}
		})
	}
}

func TestAuditWorksWhereverTheCheckoutLies(t *testing.T) {
	c := newCheckout(t, true)
	audit := exec.CommandContext(t.Context(), filepath.Join(c.dir, ".ci/audit"))
	audit.Env = []string{
		"PATH=" + c.stubs + ":" + os.Getenv("PATH"), "STUB_LOG=" + c.log, "GOFLAGS=-mod=vendor",
	}
	if out, err := audit.CombinedOutput(); err != nil || strings.Contains(string(out), "unchecked") {
		t.Errorf("%v\n%s", err, out)
	}
	c.checkCalls()
}

func TestBuildIgnoresSettingsForOtherProjects(t *testing.T) {
	for name, env := range map[string][]string{
		"a go.work above":         nil,
		"flags in the shell":      {"GOFLAGS=-mod=vendor"},
		"no modules in the shell": {"GO111MODULE=off"},
		"flags of go env -w":      {"GOENV=settings"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCheckout(t, false)
			c.write("settings", "GOFLAGS=-mod=vendor\n")
			c.env = env
			if out, err := c.make("build"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			built := exec.CommandContext(t.Context(), filepath.Join(c.dir, "bin/lab"))
			if out, err := built.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// "sudo make engine" of earlier versions left folders to root that a build writes to.
func TestMakeNamesAFolderOfAnotherUser(t *testing.T) {
	for _, folder := range []string{"bin", "lab/agent/binary/programs"} {
		t.Run(folder, func(t *testing.T) {
			c := newCheckout(t, true)
			c.write(filepath.Join(folder, "README.md"), "")
			c.chown(".", nobody)
			c.chown(folder, 0)
			c.user = nobody
			path := filepath.Join(c.dir, folder)
			if err := os.Chmod(path, 0o555); err != nil {
				t.Fatal(err)
			}
			out, err := c.make("build")
			message := regexp.MustCompile(`(?m)^build: .*\n`).ReplaceAllString(out, "")
			first, rest, _ := strings.Cut(message, "\n")
			if err == nil || !strings.Contains(first, path) || !strings.Contains(first, "sudo chown -R ") ||
				strings.Count(rest, "\n") != 1 {
				t.Errorf("%v\n%s\nwant one line that names %s, and one of make", err, out, path)
			}
			if err := os.Chmod(path, 0o755); err != nil {
				t.Fatal(err)
			}
			c.chown(folder, nobody)
			if out, err := c.make("build"); err != nil {
				t.Errorf("after chown: %v\n%s", err, out)
			}
		})
	}
}

// Files that root creates in a user's checkout must belong to that user.
func TestSudoMakeLeavesNoFilesOfRoot(t *testing.T) {
	c := newCheckout(t, true)
	owner := os.Geteuid()
	if owner == 0 {
		owner = nobody
	}
	c.chown(".", owner)
	for _, target := range []string{"engine", "bin/vegeta", "lint", "audit"} {
		if out, err := c.make(target); err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
	}
	err := filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; uid != uint32(owner) {
			t.Errorf("%s belongs to user %d", path, uid)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	c.user = nobody
	for _, target := range []string{"engine", "clean"} {
		if out, err := c.make(target); err != nil {
			t.Errorf("make %s as the owner of the checkout: %v\n%s", target, err, out)
		}
	}
}

// Line ends are content: content_sha256 must not depend on core.autocrlf.
func TestGitChangesNoLineEnds(t *testing.T) {
	c := newCheckout(t, false)
	if text, err := os.ReadFile("../../../.gitattributes"); err == nil {
		c.write(".gitattributes", string(text))
	}
	files := map[string]string{"runtimes/unix.sh": "#!/bin/sh\ntrue\n", "lab/windows.csv": "a;b\r\n1;2\r\n"}
	for name, text := range files {
		c.write(name, text)
	}
	c.commit()
	c.git("rm", "-r", "--quiet", "runtimes", "lab")
	c.git("checkout", "--quiet", "HEAD", "--", ".")
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(c.dir, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
}

// lab init writes what git tracks: neither packages nor caches nor what an editor leaves.
func TestBuildShipsTheFilesThatGitTracks(t *testing.T) {
	c := newCheckout(t, true)
	for _, name := range []string{
		"runtimes/js/app.js", "runtimes/js/.dockerignore", "runtimes/py/app/__init__.py", "scenarios/x.star",
	} {
		c.write(name, "tracked")
	}
	c.commit()
	want := c.git("ls-files", "runtimes", "scenarios")
	for _, name := range []string{
		"runtimes/js/node_modules/x/index.js", "runtimes/py/app/__pycache__/a.pyc", "scenarios/.x.star.swp",
	} {
		c.write(name, "left over")
	}
	c.write("scenarios/x.star", "not committed")
	if out, err := c.make("build"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	archive, err := os.Open(filepath.Join(c.dir, "lab/shipped/archive/files.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var names []string
	for files := tar.NewReader(archive); ; {
		header, err := files.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		names = append(names, header.Name)
		if header.Name == "scenarios/x.star" && header.Size != int64(len("tracked")) {
			t.Error("scenarios/x.star is not that of the commit")
		}
	}
	slices.Sort(names)
	if got := strings.Join(names, "\n") + "\n"; got != want {
		t.Errorf("lab has\n%s\nwant\n%s", got, want)
	}
}

// A lab that is built where git shows no commit has no files of another commit.
func TestBuildOutsideOfGitShipsNothing(t *testing.T) {
	c := newCheckout(t, true)
	stale := "lab/shipped/archive/files.tar"
	c.write(stale, "of another commit")
	out, err := c.make("build")
	if err != nil || !strings.Contains(out, "without the files of lab init") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(c.dir, stale)); err == nil {
		t.Errorf("%s is still there", stale)
	}
}
