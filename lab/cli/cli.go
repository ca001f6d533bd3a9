// Package cli is the command line: it reads what the user asked for, wires the
// steps of the flow together, and turns errors into messages and exit codes.
// Data goes to standard output, messages to standard error.
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
	"runtimelab/lab/script"
)

// Streams are where a command writes.
type Streams struct {
	Out io.Writer // data
	Err io.Writer // messages
}

// ErrInterrupted is the cause of a context that the user ended.
var ErrInterrupted error = &lab.Fault{Code: lab.ExitInterrupted, Err: errors.New("interrupted")}

const description = `Runtime Lab launches real Node.js and Python containers running identical
applications, drives them with Vegeta from inside their network namespace, and
records latency, throughput and cost.

Exit codes: 0 done, 1 failed, 2 wrong usage or script, 3 what --fail-on
names, 130 interrupted.`

type commands struct {
	Root string `help:"Folder that holds runtimes/, scenarios/ and results/. Default: the nearest one upwards from here." placeholder:"DIR" type:"path"`

	Run       runCommand       `cmd:"" help:"Measure: run scenarios on their variants and print a table."`
	Report    reportCommand    `cmd:"" help:"Print the tables of an earlier run: controls, claims, figures."`
	Verify    verifyCommand    `cmd:"" help:"Prove that the folder of a run is complete and consistent, or say what is wrong with it."`
	Calibrate calibrateCommand `cmd:"" help:"Measure the instrument itself on this machine: its ceiling, its lateness, its noise."`
	Plan      planCommand      `cmd:"" help:"Print what a run would do, in which order and for how long; start nothing."`
	Compare   compareCommand   `cmd:"" help:"Compare runs: what is better or worse than in an earlier one, by how much, and how sure that is."`
	Export    exportCommand    `cmd:"" help:"Print a run in another tool's format."`
	List      listCommand      `cmd:"" help:"List scenarios and the variants that they run on."`
	Check     checkCommand     `cmd:"" help:"Check scripts: every mistake with its place."`
	Contract  contractCommand  `cmd:"" help:"Check that variants answer what the contract says, byte for byte; measure nothing."`
	New       newCommands      `cmd:"" help:"Write a new script."`
	Doctor    doctorCommand    `cmd:"" help:"Check this machine and its engine; say how to mend what is wrong."`
	Clean     cleanCommand     `cmd:"" help:"Remove what dead runs left, and images that nothing needs any more."`
	Engine    engineCommands   `cmd:"" help:"Start a Docker engine on a bare machine, or stop it."`
	Simulate  simulateCommand  `cmd:"" help:"Check the statistics by simulation from recorded runs of arms that do not differ."`
	Version   versionCommand   `cmd:"" help:"Print versions."`
}

// app is what every command gets.
type app struct {
	Streams
	ctx  context.Context
	root string // as the user gave it; empty for the nearest
}

// Run carries out one command line and returns the exit code.
func Run(ctx context.Context, streams Streams, args []string) int {
	streams = Streams{Out: safeWriter{streams.Out}, Err: safeWriter{streams.Err}}
	err := dispatch(ctx, streams, args)
	if err == nil || errors.Is(err, errHelpShown) {
		return lab.ExitOK
	}
	fmt.Fprintf(streams.Err, "lab: %v\n", err)
	// Clients of others say that they were cancelled, and not why.
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), ErrInterrupted) {
		return lab.ExitInterrupted
	}
	return lab.ExitCode(err)
}

// interruptible does work that looks at no context, such as reading runs, and does
// not wait for it any longer once the user has ended the command.
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
		if ctx.Err() == nil { // of two that have come select takes either
			return r.value, r.err
		}
	}
	var nothing T
	return nothing, context.Cause(ctx)
}

// errHelpShown ends a command line that only asked for help.
var errHelpShown = errors.New("help was shown")

// helpShown is what kong's exit function panics with, there being no other way
// to return from it.
type helpShown struct{}

func dispatch(ctx context.Context, streams Streams, args []string) (err error) {
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
	parser, err := newParser(&c, streams)
	if err != nil {
		return fmt.Errorf("building the command line: %w", err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return &lab.Fault{
			Code: lab.ExitUsage, Err: err,
			Hint: "lab --help lists the commands, lab COMMAND --help its flags.",
		}
	}
	return parsed.Run(&app{Streams: streams, ctx: ctx, root: c.Root})
}

// newParser returns the parser that reads a command line into c.
func newParser(c *commands, streams Streams) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("lab"),
		kong.Description(description),
		kong.Writers(streams.Out, streams.Err),
		kong.Exit(func(int) { panic(helpShown{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 90}),
	)
}

// rootDir is the lab's root: what --root says, or the nearest folder upwards
// that holds runtimes/ and scenarios/.
func (a *app) rootDir() (string, error) {
	if a.root != "" {
		return a.root, holdsLab(a.root)
	}
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the current folder: %w", err)
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		if holdsLab(dir) == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", holdsLab(here)
		}
	}
}

func holdsLab(dir string) error {
	for _, name := range []string{"runtimes", "scenarios"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.IsDir() {
			return &lab.Fault{
				Code: lab.ExitUsage,
				Err:  fmt.Errorf("%s holds no folder %s/", dir, name),
				Hint: "Run lab inside a checkout of Runtime Lab, or point to one with --root.",
			}
		}
	}
	return nil
}

// loadScripts is what the scripts of the lab's root say, by their defaults. Mistakes
// in them are the library's.
func (a *app) loadScripts() (root string, library *script.Library, err error) {
	if root, err = a.rootDir(); err != nil {
		return "", nil, err
	}
	library, err = script.Load(a.ctx, root, script.ParameterValues{})
	return root, library, err
}

// messagef writes a message for people.
func (a *app) messagef(format string, args ...any) { fmt.Fprintf(a.Err, format+"\n", args...) }

// printJSON writes data for a script to read.
func (a *app) printJSON(data any) error {
	encoder := json.NewEncoder(a.Out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(data); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

// plural is a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
