package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"runtimelab/lab/script"
	"runtimelab/lab/shipped"
)

// TestMain lets the test binary act as the command lab, in scripts and in tests that
// need a second process, and as the CPU burner of BenchmarkNeighbour.
func TestMain(m *testing.M) {
	script.ServeEvaluation()
	if load := os.Getenv(burnVariable); load != "" {
		fmt.Fprintln(os.Stderr, burn(load))
		os.Exit(1)
	}
	testscript.Main(m, map[string]func(){
		"lab": func() {
			os.Exit(Run(context.Background(), Streams{Out: os.Stdout, Err: os.Stderr}, os.Args[1:]))
		},
		briefLab: func() {
			streams := Streams{Out: os.Stdout, Err: os.Stderr}
			a := &app{Streams: streams, ctx: context.Background(), adjustProfile: briefly}
			os.Exit(a.run(os.Args[1:]))
		},
	})
}

// TestScripts runs the command lines in testdata/script. They need no engine.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "", // rewrites the expected output in the scripts
		Dir:           "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
		Condition: condition,
		Setup: func(env *testscript.Env) error {
			runs, err := filepath.Abs("../compare/testdata")
			env.Setenv("RUNS", runs) // two small runs of one plan
			// copies of one of them that other programs saved
			env.Setenv("TOOLS", filepath.Join(runs, "..", "..", "record", "testdata", "tools"))
			env.Setenv("CLAIMS", filepath.Join(runs, "..", "..", "..", "scenarios", "claims.star")) // as shipped
			return err
		},
	})
}

// condition reports whether a condition of a script holds: [shipped] if make build has put the
// runtimes and scenarios into lab.
func condition(name string) (bool, error) {
	if name != "shipped" {
		return false, fmt.Errorf("there is no condition [%s]", name)
	}
	_, err := shipped.Archive()
	return err == nil, nil
}

// exits is a script command that runs a command and checks its exit code, as in
// "exits 2 lab run nosuch".
func exits(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = exitCode(err)
	}
	if code != args[0] {
		ts.Fatalf("%v exited with %s, want %s", args[1:], code, args[0])
	}
}

func exitCode(err error) string {
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return strconv.Itoa(ended.ExitCode())
	}
	return err.Error()
}
