package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"

	"runtimelab/lab/fault"
	"runtimelab/lab/message"
)

// InstallPackages installs the Debian packages that are missing, as root on Debian or Ubuntu. It
// first writes to log what will change, and returns an error if a package would be removed.
func InstallPackages(ctx context.Context, log io.Writer, names ...string) error {
	apt := aptInstaller{
		log: log, run: runCommand, distribution: thisDistribution(), root: os.Geteuid() == 0,
		os: runtime.GOOS,
	}
	return apt.install(ctx, names)
}

// aptInstaller installs packages with apt-get.
type aptInstaller struct {
	log          io.Writer
	run          runner
	distribution distribution
	root         bool
	os           string
}

var aptEnvironment = []string{"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"}

// aptOptions make apt-get wait for another apt process instead of failing.
var aptOptions = []string{"-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2"}

func (a aptInstaller) install(ctx context.Context, names []string) error {
	missing := a.missing(ctx, names)
	if len(missing) == 0 {
		return nil
	}
	wanted := strings.Join(missing, " ")
	if a.os != "linux" || !a.distribution.usesApt() {
		return &fault.Error{
			Code: fault.ExitFailed,
			Err:  fmt.Errorf("%s must be installed, which the lab does on Debian and Ubuntu only", wanted),
			Hint: "install the equivalent with your system's package manager",
		}
	}
	if !a.root {
		return &fault.Error{
			Code: fault.ExitFailed,
			Err:  fmt.Errorf("%s must be installed, which needs root", wanted),
			Hint: "run: sudo apt-get install --no-install-recommends " + wanted,
		}
	}
	fmt.Fprintln(a.log, "updating the package lists (a few seconds)")
	if out, err := a.apt(ctx, "update"); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// One broken source must not prevent the use of the others.
		fmt.Fprintf(a.log, "apt-get update failed; using the existing package lists:\n%s\n", lastLines(out, 5))
	}
	plan, err := a.planInstall(ctx, missing)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.log, plan)
	// dpkg must not be stopped halfway, so an interrupt waits for it.
	args := append([]string{"install", "-y", "--no-install-recommends", "--no-remove"}, missing...)
	if out, err := a.apt(context.WithoutCancel(ctx), args...); err != nil {
		return &fault.Error{
			Code: fault.ExitFailed,
			Err:  fmt.Errorf("installing %s: %w\n%s", wanted, err, lastLines(out, 20)),
			Hint: "fix what apt-get reports above, then run this again",
		}
	}
	return context.Cause(ctx)
}

// missing returns the packages that are not installed.
func (a aptInstaller) missing(ctx context.Context, names []string) []string {
	var missing []string
	for _, name := range names {
		if !isPackageInstalled(ctx, a.run, name) {
			missing = append(missing, name)
		}
	}
	return missing
}

// isPackageInstalled reports whether dpkg has a package in working order. A name that dpkg does not
// know is not installed.
func isPackageInstalled(ctx context.Context, run runner, name string) bool {
	out, err := run(ctx, aptEnvironment, "dpkg-query", "-W", "-f=${db:Status-Status}", name)
	return err == nil && strings.TrimSpace(out) == "installed"
}

// planInstall returns the packages that apt-get would install, as text for the user. It returns an
// error if packages would be removed.
func (a aptInstaller) planInstall(ctx context.Context, names []string) (string, error) {
	wanted := strings.Join(names, " ")
	args := append([]string{"install", "-s", "--no-install-recommends", "--no-remove"}, names...)
	out, err := a.apt(ctx, args...)
	plan, removes := readPlan(out)
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case len(removes) > 0 || err != nil && strings.Contains(out, "remove is disabled"):
		return "", &fault.Error{
			Code: fault.ExitFailed,
			Err: fmt.Errorf("installing %s would remove packages; the lab does not do that:\n%s",
				wanted, lastLines(out, 12)),
			Hint: "to do it anyway, run: apt-get install --no-install-recommends " + wanted,
		}
	case err != nil:
		return "", &fault.Error{
			Code: fault.ExitFailed,
			Err:  fmt.Errorf("planning the installation of %s: %w\n%s", wanted, err, lastLines(out, 12)),
			Hint: "check the network and the package sources, then run this again",
		}
	case len(plan) == 0:
		return "", errors.New("apt-get would install nothing for " + wanted + ":\n" + lastLines(out, 12))
	}
	return fmt.Sprintf("installing %s (about a minute):\n  %s", message.Count(len(plan), "package", "packages"),
		strings.Join(plan, "\n  ")), nil
}

func (a aptInstaller) apt(ctx context.Context, args ...string) (string, error) {
	return a.run(ctx, aptEnvironment, "apt-get", append(append([]string{}, aptOptions...), args...)...)
}

// planLine matches a line of apt-get -s: "Inst name [old] (new origin [arch])" or "Remv name
// [old]".
var planLine = regexp.MustCompile(`^(Inst|Remv) (\S+)(?: \[(\S+)\])?(?: \((\S+))?`)

// readPlan parses the output of apt-get -s: what it would install, with versions, and what it would
// remove.
func readPlan(out string) (installs, removes []string) {
	for line := range strings.Lines(out) {
		m := planLine.FindStringSubmatch(line)
		switch {
		case m == nil:
		case m[1] == "Remv":
			removes = append(removes, m[2])
		case m[3] != "":
			installs = append(installs, fmt.Sprintf("%s %s (now %s)", m[2], m[4], m[3]))
		default:
			installs = append(installs, m[2]+" "+m[4])
		}
	}
	return installs, removes
}
