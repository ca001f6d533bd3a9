package script

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"runtimelab/lab"
)

// Scripts are evaluated in a process of their own, which the kernel gives only so
// much memory: the interpreter cannot be kept from making, in one step, a list
// that no machine holds. The process is this program once more, told by its
// environment what it is.
const evaluatorEnv = "RUNTIME_LAB_EVALUATES_SCRIPTS"

const (
	// maxScriptMemory is how much a script may have in use before it is stopped
	// where it stands; what it takes at once beyond maxProcessMemory ends the process.
	maxScriptMemory  = 256 << 20
	maxProcessMemory = 512 << 20
)

var memoryFault = fmt.Sprintf("more than %d MiB of memory; a script describes, it does not compute",
	maxScriptMemory>>20)

// evaluationTask is what the evaluating process is told, and progress what it tells: each
// file before it begins, and at the end the outcomes.
type evaluationTask struct {
	Files   []scriptFile
	Given   ParameterValues
	Skipped map[string]Fault // files that are not to be evaluated again, and why
}

type evaluationProgress struct {
	CurrentFile string `json:",omitempty"`
	// of the file that took so much memory that none is left to go on with
	Exceeded *Fault       `json:",omitempty"`
	Outcomes []fileResult `json:",omitempty"`
	Done     bool         `json:",omitempty"`
}

// ServeEvaluation makes this process the one that evaluates scripts, if it was
// started as that, and then does not return. Every program that loads scripts
// calls it first of all.
func ServeEvaluation() {
	if os.Getenv(evaluatorEnv) == "" {
		return
	}
	err := serveEvaluation(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(lab.ExitFailed)
	}
	os.Exit(lab.ExitOK)
}

func serveEvaluation(in io.Reader, out io.Writer) error {
	if err := limitMemory(maxProcessMemory); err != nil {
		return err
	}
	var t evaluationTask
	if err := json.NewDecoder(in).Decode(&t); err != nil {
		return fmt.Errorf("evaluate scripts: read which: %w", err)
	}
	tell := json.NewEncoder(out)
	last, err := evaluateFiles(context.Background(), t,
		func(shown string) error { return tell.Encode(evaluationProgress{CurrentFile: shown}) })
	if err != nil {
		return err
	}
	if err := tell.Encode(last); err != nil {
		return fmt.Errorf("evaluate scripts: tell the outcomes: %w", err)
	}
	return nil
}

const memoryCheckInterval = 2 * time.Millisecond

// watchMemory calls exceeded, once, when the process has more in use than a
// script may, and then tells so; until ctx ends.
func watchMemory(ctx context.Context, exceeded func()) *atomic.Bool {
	var told atomic.Bool
	go func() {
		look := time.NewTicker(memoryCheckInterval)
		defer look.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-look.C:
			}
			if heapInUse() > maxScriptMemory {
				told.Store(true)
				exceeded()
				return
			}
		}
	}()
	return &told
}

// heapInUse is what the heap's objects take, those included that nobody has
// collected yet.
func heapInUse() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// evaluateFiles evaluates the runtimes, and then the scenarios that choose among
// their variants, up to the file that takes too much memory: what it took may
// still be in use.
func evaluateFiles(ctx context.Context, t evaluationTask,
	begins func(shown string) error,
) (evaluationProgress, error) {
	outcomes := make([]fileResult, len(t.Files))
	pool := variantPool{}
	var folders []string // of all runtimes, those with faults included
	for _, f := range t.Files {
		if f.Runtime {
			folders = append(folders, f.Name)
		}
	}
	for i, f := range t.Files {
		if heapInUse() > maxScriptMemory/4 {
			runtime.GC() // what earlier files left is no use of this one
		}
		o := &outcomes[i]
		if refusal, refused := t.Skipped[f.DisplayName]; refused {
			o.Faults = []Fault{refusal}
		} else if f.ReadError != "" {
			o.Faults = []Fault{{File: f.DisplayName, Text: "read the script: " + f.ReadError}}
		} else if err := errors.Join(begins(f.DisplayName), o.evaluate(ctx, f, folders, pool,
			t.Given)); err != nil {
			return evaluationProgress{}, err
		} else if at := slices.IndexFunc(o.Faults, func(f Fault) bool { return f.Text == memoryFault }); at >= 0 {
			return evaluationProgress{CurrentFile: f.DisplayName, Exceeded: &o.Faults[at]}, nil
		}
		switch {
		case !f.Runtime:
		case len(o.Faults) > 0:
			pool.broken = append(pool.broken, f.Name)
		default:
			pool.add(o.Runtime.Variants)
		}
	}
	return evaluationProgress{Outcomes: outcomes, Done: true}, nil
}

func (o *fileResult) evaluate(ctx context.Context, f scriptFile, folders []string, pool variantPool,
	given ParameterValues,
) error {
	if f.Runtime {
		r, faults, err := evaluateRuntime(ctx, defaultLimits, f.Name, f.DisplayName, f.Source, folders)
		o.Runtime, o.Faults = &r, faults
		return err
	}
	s, faults, err := evaluateScenario(ctx, defaultLimits, f.Name, f.DisplayName, f.Source, pool,
		given.values(f.Name))
	o.Scenario, o.Faults = &s, faults
	return err
}

// maxSilence is how long the process may say nothing after it has begun a file. It
// ends by itself what takes too long, but only between two steps of the
// interpreter, and one step may take an hour: int("9" * 50000000).
var maxSilence = defaultLimits.time + 4*time.Second

// evaluateInChild has another process evaluate files, and a new one for what is
// left whenever a file has ended it, or kept it silent for longer than patience.
func evaluateInChild(ctx context.Context, files []scriptFile, given ParameterValues,
	patience time.Duration,
) ([]fileResult, error) {
	t := evaluationTask{Files: files, Given: given, Skipped: map[string]Fault{}}
	for {
		p, err := runEvaluator(ctx, t, patience)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("evaluate scripts: %w", context.Cause(ctx))
		}
		switch _, again := t.Skipped[p.CurrentFile]; {
		case p.Done:
			return p.Outcomes, nil
		case p.CurrentFile == "" || again:
			return nil, fmt.Errorf("evaluate scripts: %w", err)
		case p.Exceeded != nil:
			t.Skipped[p.CurrentFile] = *p.Exceeded
		default:
			t.Skipped[p.CurrentFile] = Fault{File: p.CurrentFile, Line: 1, Column: 1, Text: err.Error()}
		}
	}
}

// runEvaluator returns how far a process came: to the outcomes, or to the file
// that was too much for it. The error is what that did to the process.
func runEvaluator(ctx context.Context, t evaluationTask, patience time.Duration) (evaluationProgress, error) {
	told, err := json.Marshal(t)
	if err != nil {
		return evaluationProgress{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return evaluationProgress{}, err
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	// The name is kept: a program may be several by its name.
	evaluator := exec.CommandContext(ctx, self)
	evaluator.Args[0] = os.Args[0]
	evaluator.Env = []string{evaluatorEnv + "=yes"} // and nothing of what the user's environment holds
	evaluator.Stdin = bytes.NewReader(told)
	var complaints bytes.Buffer
	evaluator.Stderr = &complaints
	out, err := evaluator.StdoutPipe()
	if err != nil {
		return evaluationProgress{}, err
	}
	if err := evaluator.Start(); err != nil {
		return evaluationProgress{}, err
	}
	silence := time.AfterFunc(patience, func() { giveUp(workError(patience)) })
	silence.Stop() // until a file begins: a machine may be slow to start a process
	defer silence.Stop()
	p := readProgress(out, func() { silence.Reset(patience) })
	if p.Done || p.Exceeded != nil {
		_ = evaluator.Process.Kill() // it has told all, and need not take its leave
	}
	ended := evaluator.Wait()
	if gaveUp := context.Cause(ctx); gaveUp != nil {
		return p, gaveUp
	}
	return p, exitCause(ended, &complaints)
}

// readProgress reads what the evaluating process tells, the last of it with the file
// that was begun before. A process that ends in the middle of a word has begun
// what it said before. heard is called at each word.
func readProgress(out io.Reader, heard func()) (p evaluationProgress) {
	for read := json.NewDecoder(out); !p.Done && p.Exceeded == nil; {
		next := evaluationProgress{CurrentFile: p.CurrentFile}
		if err := read.Decode(&next); err != nil {
			return p
		}
		heard()
		p = next
	}
	return p
}

// exitCause says in words what ended the evaluating process.
func exitCause(ended error, output *bytes.Buffer) error {
	complaints := output.String()
	// What the runtime says where the kernel refuses it memory depends on where
	// that was.
	for _, words := range []string{
		"out of memory", "cannot allocate memory", "cannot map pages",
		"failed to allocate", "SIGSEGV",
	} {
		if strings.Contains(complaints, words) {
			return errors.New(memoryFault)
		}
	}
	first, _, _ := strings.Cut(complaints, "\n")
	return errors.Join(errors.New("the interpreter gave up: "+first), ended)
}
