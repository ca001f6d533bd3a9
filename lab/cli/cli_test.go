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
)

// TestMain makes the test binary stand for the command lab in scripts, and in
// tests that need a process of its own.
func TestMain(m *testing.M) {
	script.ServeEvaluation()
	if how := os.Getenv(burnVariable); how != "" {
		fmt.Fprintln(os.Stderr, burn(how))
		os.Exit(1)
	}
	testscript.Main(m, map[string]func(){
		"lab": func() {
			os.Exit(Run(context.Background(), Streams{Out: os.Stdout, Err: os.Stderr}, os.Args[1:]))
		},
	})
}

// TestScripts runs the command lines in testdata/script, which need no engine.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "", // writes anew what scripts compare output with
		Dir:           "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
		Setup: func(env *testscript.Env) error { // two small runs of one plan
			runs, err := filepath.Abs("../compare/testdata")
			env.Setenv("RUNS", runs)
			env.Setenv("TOOLS", filepath.Join(runs, "..", "..", "record", "testdata", "tools")) // and copies of one
			return err
		},
	})
}

// exits runs a command and checks its exit code: exits 2 lab run nosuch.
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
