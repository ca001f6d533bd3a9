// Package cli is the command line. It parses flags, connects the packages of the lab,
// and turns errors into messages and exit codes. Data goes to standard output,
// messages to standard error.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"

	"runtimelab/lab"
	"runtimelab/lab/archive"
	"runtimelab/lab/fault"
	"runtimelab/lab/image"
	"runtimelab/lab/script"
	"runtimelab/lab/session"
)

// Streams are where a command writes.
type Streams struct {
	Out io.Writer // data
	Err io.Writer // messages
}

// ErrInterrupted is the cause of a context that the user has cancelled.
var ErrInterrupted = fault.By(fault.User,
	&fault.Error{Code: fault.ExitInterrupted, Err: errors.New("interrupted")})

const description = `Runtime Lab launches real Node.js and Python containers running identical
applications, drives them with Vegeta from inside their network namespace, and
records latency, throughput and cost.

Exit codes: 0 done, 1 failed, 2 wrong usage or script, 3 what --fail-on
names was found, 130 interrupted.`

type commands struct {
	Root     string   `help:"${root_help}" placeholder:"DIR" type:"path"`
	Runtimes []string `help:"${runtimes_help}" placeholder:"DIR" type:"path" sep:"none"`

	Run       runCommand       `cmd:"" help:"Measure: run scenarios on their variants and print a table."`
	Report    reportCommand    `cmd:"" help:"Print the tables of an earlier run: controls, claims, figures."`
	Verify    verifyCommand    `cmd:"" help:"Check that the folder of a run is complete and unchanged."`
	Calibrate calibrateCommand `cmd:"" help:"Measure the instrument itself: its ceiling, send lag and noise."`
	Plan      planCommand      `cmd:"" help:"Print what a run would do, in which order and for how long."`
	Compare   compareCommand   `cmd:"" help:"Compare runs: what is better or worse, with intervals."`
	Export    exportCommand    `cmd:"" help:"Print a run in another tool's format."`
	List      listCommand      `cmd:"" help:"List scenarios and the variants that they run on."`
	Check     checkCommand     `cmd:"" help:"Check scripts: every mistake with its place."`
	Contract  contractCommand  `cmd:"" help:"Check the answers of variants against the contract."`
	New       newCommands      `cmd:"" help:"Write a new script."`
	Init      initCommand      `cmd:"" help:"Write the lab's runtimes and scenarios into a new folder."`
	Doctor    doctorCommand    `cmd:"" help:"Check this machine and its engine; say how to fix problems."`
	Clean     cleanCommand     `cmd:"" help:"Remove containers of dead runs, and images that are not needed."`
	Engine    engineCommands   `cmd:"" help:"Start a Docker engine on a bare machine, or stop it."`
	Simulate  simulateCommand  `cmd:"" help:"Check the statistics by simulation from recorded A/A pairs."`
	Version   versionCommand   `cmd:"" help:"Print versions."`
}

// app is passed to every command.
type app struct {
	Streams
	ctx      context.Context
	root     string   // the value of --root; empty: the nearest folder that qualifies
	runtimes []string // the values of --runtimes
	// adjustProfile changes the profile of a new run. Only tests set it, for phases that are short.
	adjustProfile func(*lab.Profile)
}

// Run executes one command line and returns the exit code.
func Run(ctx context.Context, streams Streams, args []string) int {
	return (&app{Streams: streams, ctx: ctx}).run(args)
}

// run executes one command line and returns the exit code.
func (a *app) run(args []string) int {
	a.Streams = Streams{Out: safeWriter{a.Out}, Err: safeWriter{a.Err}}
	err := a.dispatch(args)
	if err == nil || errors.Is(err, errHelpShown) {
		return fault.ExitOK
	}
	fmt.Fprintf(a.Err, "lab: %v\n", err)
	// Third-party clients report only that they were cancelled.
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(a.ctx), ErrInterrupted) {
		return fault.ExitInterrupted
	}
	return fault.ExitCode(err)
}

// interruptible calls work, which does not watch a context, such as reading runs. It
// returns at once, with the cause, when ctx is cancelled.
func interruptible[T any](ctx context.Context, work func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := work()
		done <- result{value, err}
	}()
	select {
	case <-ctx.Done():
	case r := <-done:
		if ctx.Err() == nil { // select chooses at random when both are ready
			return r.value, r.err
		}
	}
	var zero T
	return zero, context.Cause(ctx)
}

// errHelpShown is returned by dispatch after kong has printed help.
var errHelpShown = errors.New("help was shown")

// helpShown is the value that kong's exit function panics with: kong offers no other
// way to return from it.
type helpShown struct{}

// dispatch parses a command line and runs its command. It returns errHelpShown if the
// command line asks for help.
func (a *app) dispatch(args []string) (err error) {
	defer func() {
		switch p := recover(); p.(type) {
		case nil:
		case helpShown:
			err = errHelpShown
		default:
			panic(p)
		}
	}()
	var c commands
	parser, err := newParser(&c, a.Streams)
	if err != nil {
		return fmt.Errorf("building the command line: %w", err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return &fault.Error{
			Code: fault.ExitUsage, Err: err,
			Hint: "lab --help lists the commands, lab COMMAND --help the flags of one",
		}
	}
	a.root, a.runtimes = c.Root, c.Runtimes
	return parsed.Run(a)
}

// newParser returns the parser that reads a command line into c.
func newParser(c *commands, streams Streams) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("lab"),
		kong.Description(description),
		helpTexts,
		kong.Writers(streams.Out, streams.Err),
		kong.Exit(func(int) { panic(helpShown{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 90}),
	)
}

// rootDir returns the value of --root, or the nearest folder upwards that holds
// runtimes/ and scenarios/. It returns an error if no folder does.
func (a *app) rootDir() (string, error) {
	if a.root != "" {
		return a.root, checkRoot(a.root)
	}
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the current folder: %w", err)
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		if checkRoot(dir) == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", checkRoot(here)
		}
	}
}

// resultsFolder returns results/ of the root, or of the current folder if there is no
// root.
func (a *app) resultsFolder() string {
	root, err := a.rootDir()
	if err != nil {
		root = "."
	}
	return filepath.Join(root, "results")
}

// runDir returns the folder of a run, given by its id or its folder; empty: the newest
// run. A folder works outside a checkout too.
func (a *app) runDir(name string) (string, error) {
	root, err := a.rootDir()
	if err == nil {
		return archive.Resolve(filepath.Join(root, "results"), name)
	}
	if dir, notFound := archive.Resolve("", name); name != "" && notFound == nil {
		return dir, nil
	}
	return "", err
}

// checkRoot returns an error if a folder lacks runtimes/ or scenarios/.
func checkRoot(dir string) error {
	for _, name := range []string{"runtimes", "scenarios"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.IsDir() {
			return &fault.Error{
				Code: fault.ExitUsage,
				Err:  fmt.Errorf("%s has no folder %s/", dir, name),
				Hint: "run lab inside a checkout of Runtime Lab or a folder that lab init wrote, " +
					"or name one with --root",
			}
		}
	}
	return nil
}

// loadScripts evaluates the scripts of sources, and the given files, with the defaults of
// their parameters. Mistakes in scripts are in the library, not in err.
func (a *app) loadScripts(files ...string) (root string, library *script.Library, err error) {
	sources, err := a.sources(files...)
	if err != nil {
		return "", nil, err
	}
	library, err = sources.Load(a.ctx, script.ParameterValues{})
	return sources.Checkout, library, err
}

// sessionOptions returns the options of a session that builds images on bases.
func (a *app) sessionOptions(bases image.BaseMode) session.Options {
	return session.Options{Connect: connect, Bases: bases, Log: a.Err, Version: version()}
}

// messagef writes one line to standard error.
func (a *app) messagef(format string, args ...any) { fmt.Fprintf(a.Err, format+"\n", args...) }

// printJSON writes data as indented JSON to standard output.
func (a *app) printJSON(data any) error {
	encoder := json.NewEncoder(a.Out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(data); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}
