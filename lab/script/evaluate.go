package script

import (
	"cmp"
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

	"runtimelab/lab"
)

// script is one file under evaluation.
type script struct {
	displayName string // its name in messages
	faults      []Fault
	reported    map[Fault]bool
	// a call that is evaluated twice makes its mistakes twice and is told once
	faultCount int
	// by the opening parenthesis, which is where the interpreter says a call is
	calls map[place]*syntax.CallExpr
	names starlark.StringDict // the vocabulary of its kind of file
}

func newScript(shown string) *script {
	return &script{displayName: shown, reported: map[Fault]bool{}, names: starlark.StringDict{}}
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

// sortedFaults is the faults as they stand in the file.
func (s *script) sortedFaults() []Fault {
	slices.SortStableFunc(s.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return s.faults
}

// invalidValue stands for a value that a fault kept from being made. Whoever is
// handed one stays silent, because the cause has been told.
type invalidValue struct{}

func (invalidValue) String() string        { return "unusable" }
func (invalidValue) Type() string          { return "unusable value" }
func (invalidValue) Freeze()               {}
func (invalidValue) Truth() starlark.Bool  { return true }
func (invalidValue) Hash() (uint32, error) { return 0, errors.New("unhashable: unusable value") }
func (invalidValue) Name() string          { return "unusable" }

// CallInternal makes a call of an unknown function one more unusable value.
func (invalidValue) CallInternal(*starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return invalidValue{}, nil
}

// evaluate runs source with the script's names. Its faults are the script's;
// the error is the end of ctx.
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
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("evaluate %s: %w", s.displayName, ctx.Err())
	case outOfMemory.Load():
		s.addEvaluationFault(err, memoryFault)
	case outOfSteps:
		s.addEvaluationFault(err,
			fmt.Sprintf("more than %d steps of work; a script describes, it does not compute", bounds.steps))
	case timed.Err() != nil:
		s.addEvaluationFault(err, workError(bounds.time).Error())
	case !strings.Contains(err.Error(), invalidValue{}.Type()): // else the cause has been told
		s.addEvaluationFault(err, err.Error())
	}
	return nil
}

func workError(limit time.Duration) error {
	return fmt.Errorf("more than %v of work; a script describes, it does not compute", limit)
}

// run turns a panic of the interpreter, as of a list longer than an address
// space, into an error: no script may end the program.
func (s *script) run(thread *starlark.Thread, program *starlark.Program) (_ starlark.StringDict, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the interpreter gave up: %v", r)
		}
	}()
	return program.Init(thread, s.names)
}

// addEvaluationFault notes what ended the evaluation, at the innermost place in the file
// that err knows of.
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

// compile is nil when a fault keeps the file from running at all. An unknown
// name does not: it is told, and then stands for an unusable value.
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
	// Resolving writes into a tree, so the second attempt has its own.
	if tree = s.parse(source); tree == nil {
		return nil
	}
	if program, err = starlark.FileProgram(tree, s.names.Has); err != nil {
		s.reportUnresolved(err, tree)
		return nil
	}
	return program
}

// options leaves out all that Starlark has off: while, recursion, control
// flow at top level, and assigning to a name twice.
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
			s.fault(load.Load, "load", "a script is complete in itself and loads nothing")
			found = true
		}
		return true
	})
	return found
}

// reportUnresolved tells the resolver's faults, and says which names are unknown and
// whether that is all that is wrong.
func (s *script) reportUnresolved(err error, tree *syntax.File) (unknown []string, only bool) {
	var all resolve.ErrorList
	if !errors.As(err, &all) {
		s.addEvaluationFault(err, err.Error())
		return nil, false
	}
	only = true
	for _, e := range all {
		rest, undefined := strings.CutPrefix(e.Msg, "undefined: ")
		if !undefined {
			only = false
			s.fault(e.Pos, "", "%s", e.Msg)
			continue
		}
		name, _, _ := strings.Cut(rest, " ")
		unknown = append(unknown, name)
		s.fault(e.Pos, "", "unknown name %q; %s", name, s.suggestName(name, tree))
	}
	return unknown, only
}

func (s *script) suggestName(name string, tree *syntax.File) string {
	ours := slices.Sorted(maps.Keys(s.names))
	near := slices.Concat(ours, topLevelNames(tree), slices.Sorted(maps.Keys(starlark.Universe)))
	if lab.Nearest(name, near) != "" {
		return lab.Suggest(name, near)
	}
	return lab.Suggest(name, ours)
}

// topLevelNames is the names that the file gives to functions and values at top level.
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
