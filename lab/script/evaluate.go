package script

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab/message"
)

// script is one file during its evaluation.
type script struct {
	displayName string  // the file's name in messages
	faults      []Fault // each once, even if its call is evaluated several times
	reported    map[Fault]bool
	faultCount  int  // of all mistakes, repeated ones included
	completed   bool // the evaluation reached the end of the file
	// calls are found by their opening parenthesis, which the interpreter takes
	// for the position of a call.
	calls map[place]*syntax.CallExpr
	names starlark.StringDict // the functions and values that the script may use
}

func newScript(displayName string) *script {
	return &script{displayName: displayName, reported: map[Fault]bool{}, names: starlark.StringDict{}}
}

type place struct{ line, column int32 }

func placeOf(p syntax.Position) place { return place{p.Line, p.Col} }

func (s *script) fault(at syntax.Position, call, format string, args ...any) {
	s.faultCount++
	f := Fault{
		File: s.displayName, Line: int(at.Line), Column: int(at.Col), Call: call,
		Text: fmt.Sprintf(format, args...),
	}
	if !s.reported[f] {
		s.reported[f] = true
		s.faults = append(s.faults, f)
	}
}

// sortedFaults returns the faults in the order of the file.
func (s *script) sortedFaults() []Fault {
	sortFaults(s.faults)
	return s.faults
}

// invalidValue replaces the result of a call with a mistake. Functions that get
// one as an argument report nothing: the cause is reported already.
type invalidValue struct{}

func (invalidValue) String() string        { return "unusable" }
func (invalidValue) Type() string          { return "unusable value" }
func (invalidValue) Freeze()               {}
func (invalidValue) Truth() starlark.Bool  { return true }
func (invalidValue) Hash() (uint32, error) { return 0, errors.New("unhashable: unusable value") }
func (invalidValue) Name() string          { return "unusable" }

// CallInternal returns another invalid value, so that a script may call an
// unknown function and its evaluation goes on.
func (invalidValue) CallInternal(*starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return invalidValue{}, nil
}

// evaluate runs source and adds its mistakes to the faults. It returns an error
// only if ctx ends.
func (s *script) evaluate(ctx context.Context, bounds limits, source []byte) error {
	program := s.compile(source)
	if program == nil {
		return nil
	}
	timed, cancel := context.WithTimeout(ctx, bounds.time)
	defer cancel()
	outOfSteps := false
	thread := &starlark.Thread{
		Name: s.displayName,
		Print: func(_ *starlark.Thread, text string) {
			slog.DebugContext(ctx, text, "script", s.displayName)
		},
		OnMaxSteps: func(t *starlark.Thread) {
			outOfSteps = true
			t.Cancel("out of steps")
		},
	}
	thread.SetMaxExecutionSteps(bounds.steps)
	defer context.AfterFunc(timed, func() { thread.Cancel("out of time") })()
	outOfMemory := watchMemory(timed, func() { thread.Cancel("out of memory") })

	_, err := s.run(thread, program)
	switch {
	case err == nil:
		s.completed = true
	case ctx.Err() != nil:
		return fmt.Errorf("evaluate %s: %w", s.displayName, ctx.Err())
	case outOfMemory.Load():
		s.addEvaluationFault(err, memoryFault)
	case outOfSteps:
		s.addEvaluationFault(err,
			fmt.Sprintf("the script took more than %d steps; make it do less work", bounds.steps))
	case timed.Err() != nil:
		s.addEvaluationFault(err, timeLimitError(bounds.time).Error())
	case !strings.Contains(err.Error(), invalidValue{}.Type()): // otherwise the cause is reported already
		s.addEvaluationFault(err, err.Error())
	}
	return nil
}

func timeLimitError(limit time.Duration) error {
	return fmt.Errorf("the script ran for more than %v; make it do less work", limit)
}

// run executes program. It turns a panic of the interpreter into an error,
// because no script may end the process; a list longer than the address space
// causes one.
func (s *script) run(thread *starlark.Thread, program *starlark.Program) (_ starlark.StringDict, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the interpreter failed: %v", r)
		}
	}()
	return program.Init(thread, s.names)
}

// addEvaluationFault reports what ended the evaluation, at the innermost
// position in the file that err knows.
func (s *script) addEvaluationFault(err error, text string) {
	var at syntax.Position
	var failed *starlark.EvalError
	if errors.As(err, &failed) {
		for _, frame := range failed.CallStack {
			if frame.Pos.Filename() == s.displayName {
				at = frame.Pos
			}
		}
	}
	if call := s.calls[placeOf(at)]; call != nil {
		at = syntax.Start(call)
	}
	s.fault(at, "", "%s", text)
}

// compile returns the program, or nil if a mistake prevents the file from running
// at all. Unknown names do not: they are reported and become invalid values.
func (s *script) compile(source []byte) *starlark.Program {
	tree := s.parse(source)
	if tree == nil {
		return nil
	}
	s.calls = callsIn(tree)
	if s.refuseLoads(tree) {
		return nil
	}
	program, err := starlark.FileProgram(tree, s.names.Has)
	if err == nil {
		return program
	}
	unknown, onlyNames := s.reportUnresolved(err, tree)
	if !onlyNames {
		return nil
	}
	for _, name := range unknown {
		s.names[name] = invalidValue{}
	}
	// Resolving writes into the tree, so the second attempt needs a new one.
	if tree = s.parse(source); tree == nil {
		return nil
	}
	if program, err = starlark.FileProgram(tree, s.names.Has); err != nil {
		s.reportUnresolved(err, tree)
		return nil
	}
	return program
}

// options keeps Starlark's defaults, which forbid while loops, recursion, control
// flow at top level and assigning to a name twice.
var options = &syntax.FileOptions{Set: true}

func (s *script) parse(source []byte) *syntax.File {
	tree, err := options.Parse(s.displayName, source, 0)
	if err == nil {
		return tree
	}
	var wrong syntax.Error
	if errors.As(err, &wrong) {
		s.fault(wrong.Pos, "", "%s", wrong.Msg)
	} else {
		s.addEvaluationFault(err, err.Error())
	}
	return nil
}

func callsIn(tree *syntax.File) map[place]*syntax.CallExpr {
	calls := map[place]*syntax.CallExpr{}
	syntax.Walk(tree, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			calls[placeOf(call.Lparen)] = call
		}
		return true
	})
	return calls
}

func (s *script) refuseLoads(tree *syntax.File) bool {
	found := false
	syntax.Walk(tree, func(n syntax.Node) bool {
		if load, ok := n.(*syntax.LoadStmt); ok {
			s.fault(load.Load, "load", "a script cannot load other files; write all of it in this file")
			found = true
		}
		return true
	})
	return found
}

// reportUnresolved reports the resolver's errors. It returns the unknown names, and
// whether they are the only errors.
func (s *script) reportUnresolved(err error, tree *syntax.File) (unknown []string, onlyNames bool) {
	var all resolve.ErrorList
	if !errors.As(err, &all) {
		s.addEvaluationFault(err, err.Error())
		return nil, false
	}
	onlyNames = true
	for _, e := range all {
		rest, undefined := strings.CutPrefix(e.Msg, "undefined: ")
		if !undefined {
			onlyNames = false
			s.fault(e.Pos, "", "%s", e.Msg)
			continue
		}
		name, _, _ := strings.Cut(rest, " ")
		unknown = append(unknown, name)
		s.fault(e.Pos, "", "unknown name %q; %s", name, s.suggestName(name, tree))
	}
	return unknown, onlyNames
}

func (s *script) suggestName(name string, tree *syntax.File) string {
	functions := slices.Sorted(maps.Keys(s.names))
	all := slices.Concat(functions, topLevelNames(tree), slices.Sorted(maps.Keys(starlark.Universe)))
	if message.Nearest(name, all) != "" {
		return message.Suggest(name, all)
	}
	return message.Suggest(name, functions)
}

// topLevelNames returns the names of the functions and values that the file
// defines at top level.
func topLevelNames(tree *syntax.File) []string {
	var names []string
	for _, stmt := range tree.Stmts {
		switch stmt := stmt.(type) {
		case *syntax.DefStmt:
			names = append(names, stmt.Name.Name)
		case *syntax.AssignStmt:
			if id, ok := stmt.LHS.(*syntax.Ident); ok {
				names = append(names, id.Name)
			}
		}
	}
	return names
}
