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
	"runtimelab/lab/fault"
)

// evaluatorEnv is the environment variable that makes this program the evaluator.
// Scripts run in a child process with limited memory, because a single step of
// the interpreter can allocate more than any machine has.
const evaluatorEnv = "RUNTIME_LAB_EVALUATES_SCRIPTS"

const (
	// maxScriptMemory is the heap in bytes at which a script is stopped. A single
	// step that takes more than maxProcessMemory ends the process.
	maxScriptMemory  = 256 << 20
	maxProcessMemory = 512 << 20
)

var memoryFault = fmt.Sprintf("the script used more than %d MiB of memory; make it do less work",
	maxScriptMemory>>20)

// evaluationTask is what the evaluator reads from its standard input.
type evaluationTask struct {
	Files     []scriptFile
	Workloads workloadIndex
	Given     ParameterValues
	Skipped   map[string]Fault // by display name: files not to evaluate again, and why
}

// evaluationProgress is what the evaluator writes: one before each file, and a
// last one with the results, or with the file that used too much memory to go on.
type evaluationProgress struct {
	CurrentFile string       `json:",omitempty"`
	Exceeded    *Fault       `json:",omitempty"` // CurrentFile used too much memory
	Outcomes    []fileResult `json:",omitempty"`
	Done        bool         `json:",omitempty"`
}

// ServeEvaluation evaluates scripts and exits, if this process was started as the
// evaluator; otherwise it returns at once. Every program that loads scripts must
// call it before anything else.
func ServeEvaluation() {
	if os.Getenv(evaluatorEnv) == "" {
		return
	}
	err := serveEvaluation(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(fault.ExitFailed)
	}
	os.Exit(fault.ExitOK)
}

func serveEvaluation(in io.Reader, out io.Writer) error {
	if err := limitMemory(maxProcessMemory); err != nil {
		return err
	}
	var task evaluationTask
	if err := json.NewDecoder(in).Decode(&task); err != nil {
		return fmt.Errorf("evaluate scripts: read the task: %w", err)
	}
	encoder := json.NewEncoder(out)
	onFile := func(displayName string) error {
		return encoder.Encode(evaluationProgress{CurrentFile: displayName})
	}
	last, err := evaluateFiles(context.Background(), task, onFile)
	if err != nil {
		return err
	}
	if err := encoder.Encode(last); err != nil {
		return fmt.Errorf("evaluate scripts: write the results: %w", err)
	}
	return nil
}

const memoryCheckInterval = 2 * time.Millisecond

// watchMemory checks the heap until ctx ends. When it exceeds maxScriptMemory,
// watchMemory sets the returned flag and calls onExceeded once.
func watchMemory(ctx context.Context, onExceeded func()) *atomic.Bool {
	var exceeded atomic.Bool
	go func() {
		ticker := time.NewTicker(memoryCheckInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if heapInUse() > maxScriptMemory {
				exceeded.Store(true)
				onExceeded()
				return
			}
		}
	}()
	return &exceeded
}

// heapInUse returns the bytes of all objects on the heap, including garbage that
// is not collected yet.
func heapInUse() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// evaluateFiles evaluates the runtimes, the services, and then the scenarios, which select from
// them, and checks the claims across all files. It calls onFile before each
// file. It stops after a file that used too much memory, because that memory may still
// be in use.
func evaluateFiles(
	ctx context.Context, task evaluationTask, onFile func(displayName string) error,
) (evaluationProgress, error) {
	outcomes := make([]fileResult, len(task.Files))
	pool := variantPool{workloads: task.Workloads}
	folders := map[fileKind][]string{} // of all runtimes and services, including those with faults
	for _, f := range task.Files {
		folders[f.Kind] = append(folders[f.Kind], f.Name)
	}
	pool.services = append([]string{lab.UpstreamName}, folders[serviceKind]...)
	definedIn := map[string]string{} // the file of each runtime and scenario
	for i, f := range task.Files {
		if heapInUse() > maxScriptMemory/4 {
			runtime.GC() // the garbage of earlier files must not count against this one
		}
		o := &outcomes[i]
		if reason, skipped := task.Skipped[f.DisplayName]; skipped {
			o.Faults, o.ClaimsIncomplete = []Fault{reason}, callsClaim(f.Source)
		} else if f.ReadError != "" {
			o.Faults = []Fault{{File: f.DisplayName, Text: "read the script: " + f.ReadError}}
			o.ClaimsIncomplete = true
		} else if err := errors.Join(
			onFile(f.DisplayName), o.evaluate(ctx, f, folders, pool, task.Given),
		); err != nil {
			return evaluationProgress{}, err
		} else if at := slices.IndexFunc(o.Faults, func(f Fault) bool { return f.Text == memoryFault }); at >= 0 {
			return evaluationProgress{CurrentFile: f.DisplayName, Exceeded: &o.Faults[at]}, nil
		}
		if f.Kind != scenarioKind || o.Scenario != nil {
			defined := fmt.Sprintf("%s %q", f.Kind, f.Name)
			if first, twice := definedIn[defined]; twice {
				o.addFault(f, lab.Place{}, "", "the %s is already defined in %s; rename one of them", defined, first)
			} else {
				definedIn[defined] = f.DisplayName
			}
		}
		switch {
		case f.Kind != runtimeKind:
		case len(o.Faults) > 0:
			pool.broken = append(pool.broken, f.Name)
		default:
			pool.add(o.Runtime.Variants)
		}
	}
	checkDependencies(task.Files, outcomes)
	checkClaims(task.Files, outcomes)
	return evaluationProgress{Outcomes: outcomes, Done: true}, nil
}

func (o *fileResult) evaluate(
	ctx context.Context, f scriptFile, folders map[fileKind][]string, pool variantPool, given ParameterValues,
) (err error) {
	switch f.Kind {
	case runtimeKind:
		var r lab.Runtime
		r, o.Faults, err = evaluateRuntime(ctx, defaultLimits, f.Name, f.DisplayName, f.Source,
			folders[runtimeKind], pool.workloads)
		o.Runtime = &r
	case serviceKind:
		*o, err = evaluateService(ctx, defaultLimits, f.Name, f.DisplayName, f.Source, folders[serviceKind])
	case scenarioKind:
		*o, err = evaluateScenario(ctx, defaultLimits, f.Name, f.DisplayName, f.Source, pool,
			given.forScenario(f.Name))
	}
	return err
}

// maxFileTime is how long the evaluator may take for one file. The interpreter
// checks its own limits only between two steps, and one step can take an hour:
// int("9" * 50000000).
var maxFileTime = defaultLimits.time + 4*time.Second

// evaluateInChild evaluates files in child processes. If a file ends the process,
// or takes longer than fileTimeout, that is the file's fault, and a new process
// evaluates the other files.
func evaluateInChild(
	ctx context.Context, files []scriptFile, workloads workloadIndex, given ParameterValues,
	fileTimeout time.Duration,
) ([]fileResult, error) {
	task := evaluationTask{Files: files, Workloads: workloads, Given: given, Skipped: map[string]Fault{}}
	for {
		p, err := runEvaluator(ctx, task, fileTimeout)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("evaluate scripts: %w", context.Cause(ctx))
		}
		switch _, again := task.Skipped[p.CurrentFile]; {
		case p.Done:
			return p.Outcomes, nil
		case p.CurrentFile == "" || again:
			return nil, fmt.Errorf("evaluate scripts: %w", err)
		case p.Exceeded != nil:
			task.Skipped[p.CurrentFile] = *p.Exceeded
		default:
			task.Skipped[p.CurrentFile] = Fault{File: p.CurrentFile, Line: 1, Column: 1, Text: err.Error()}
		}
	}
}

// runEvaluator runs one child process and returns its last progress: the results,
// or the file that ended the process. The error says how the process ended.
func runEvaluator(
	ctx context.Context, task evaluationTask, fileTimeout time.Duration,
) (evaluationProgress, error) {
	input, err := json.Marshal(task)
	if err != nil {
		return evaluationProgress{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return evaluationProgress{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	evaluator := exec.CommandContext(ctx, self)
	evaluator.Args[0] = os.Args[0]                  // some programs choose by it what they do
	evaluator.Env = []string{evaluatorEnv + "=yes"} // without the user's environment
	evaluator.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	evaluator.Stderr = &stderr
	out, err := evaluator.StdoutPipe()
	if err != nil {
		return evaluationProgress{}, err
	}
	if err := evaluator.Start(); err != nil {
		return evaluationProgress{}, err
	}
	timer := time.AfterFunc(fileTimeout, func() { cancel(timeLimitError(fileTimeout)) })
	timer.Stop() // until the first file begins: a process may be slow to start
	defer timer.Stop()
	p := readProgress(out, func() { timer.Reset(fileTimeout) })
	if p.Done || p.Exceeded != nil {
		_ = evaluator.Process.Kill() // all results are read, so do not wait for the exit
	}
	exitErr := evaluator.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return p, cause
	}
	return p, exitCause(exitErr, &stderr)
}

// readProgress reads the evaluator's progress until its end and returns the last
// message. It ignores a partial message, and calls onMessage after each one.
func readProgress(out io.Reader, onMessage func()) (p evaluationProgress) {
	for decoder := json.NewDecoder(out); !p.Done && p.Exceeded == nil; {
		next := evaluationProgress{CurrentFile: p.CurrentFile}
		if err := decoder.Decode(&next); err != nil {
			return p
		}
		onMessage()
		p = next
	}
	return p
}

// exitCause returns what ended the evaluator: a lack of memory, or the first line
// that it printed.
func exitCause(exitErr error, stderr *bytes.Buffer) error {
	output := stderr.String()
	// The Go runtime reports a lack of memory differently in different places.
	for _, words := range []string{
		"out of memory", "cannot allocate memory", "cannot map pages", "failed to allocate", "SIGSEGV",
	} {
		if strings.Contains(output, words) {
			return errors.New(memoryFault)
		}
	}
	first, _, _ := strings.Cut(output, "\n")
	return errors.Join(errors.New("the interpreter failed: "+first), exitErr)
}
