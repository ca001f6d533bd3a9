package cli

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"runtimelab/lab/archive"
	"runtimelab/lab/record"
)

// BenchmarkSoak makes three quick runs, and interrupts each at random moments by kill -9,
// Ctrl-C or a restart of the engine. Each is resumed until it is done. It must then have
// every trial of its plan exactly once, and leave nothing on the engine. The benchmark
// takes an hour, and is skipped without SOAK.
func BenchmarkSoak(b *testing.B) {
	if os.Getenv("SOAK") == "" {
		b.Skip("takes an hour: make soak")
	}
	program, err := filepath.Abs(filepath.Join("..", "..", "bin", "lab"))
	if err != nil {
		b.Fatal(err)
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		b.Fatal(err)
	}
	checkout := b.TempDir()
	for _, name := range []string{"runtimes", "scenarios"} {
		if err := os.CopyFS(filepath.Join(checkout, name), os.DirFS(filepath.Join(root, name))); err != nil {
			b.Fatal(err)
		}
	}
	seed := rand.Uint64()
	b.Logf("seed %d", seed)
	s := &soak{program: program, checkout: checkout, random: rand.New(rand.NewPCG(seed, 0))}
	s.lab(b, "contract") // builds the images, so that they are in the first inventory too
	before := s.inventory(b)
	interruptions := 0
	for range 3 {
		interruptions += s.run(b)
	}
	if after := s.inventory(b); after != before {
		b.Errorf("the engine had\n%s\nbefore, and has\n%s\nafter", before, after)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(3, "runs")
	b.ReportMetric(float64(interruptions), "disasters")
}

// soak runs the command lab in a checkout.
type soak struct {
	program, checkout string
	random            *rand.Rand
}

// run makes one quick run, and interrupts it up to four times. It returns how often.
func (s *soak) run(b *testing.B) (interruptions int) {
	b.Helper()
	arguments := []string{"run", "--profile", "quick"}
	for {
		kind := ""
		if interruptions < 4 {
			kind = []string{"kill -9", "Ctrl-C", "engine restart"}[s.random.IntN(3)]
		}
		done := s.session(b, arguments, kind, time.Duration(20+s.random.IntN(220))*time.Second)
		dir, err := archive.Latest(filepath.Join(s.checkout, "results"))
		if err != nil {
			if done {
				b.Fatal(err)
			}
			continue // interrupted before the run had a folder
		}
		if done {
			s.check(b, dir)
			return interruptions
		}
		interruptions++
		b.Logf("%s after %s", filepath.Base(dir), kind)
		if info, err := record.ReadInfo(dir); err == nil && info.State != record.Done {
			arguments = []string{"run", "--resume", info.RunID}
		}
	}
}

// session starts one process of a run, and interrupts it after a time; an empty kind does
// not interrupt it. It reports whether the run is done.
func (s *soak) session(b *testing.B, arguments []string, kind string, after time.Duration) (done bool) {
	b.Helper()
	var output bytes.Buffer
	command := exec.Command(s.program, append([]string{"--root", s.checkout}, arguments...)...)
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	interrupt := time.After(after)
	if kind == "" {
		interrupt = nil
	}
	select {
	case err := <-ended:
		if err != nil {
			b.Fatalf("%v ended with %v\n%s", arguments, err, output.String())
		}
		return true
	case <-interrupt:
	}
	switch kind {
	case "kill -9":
		_ = command.Process.Kill() // it may have ended
	case "Ctrl-C":
		_ = command.Process.Signal(syscall.SIGINT)
	case "engine restart":
		s.lab(b, "engine", "down")
		s.lab(b, "engine", "up")
	}
	err := <-ended
	if bytes.Contains(output.Bytes(), []byte("goroutine ")) {
		b.Fatalf("after %s it prints a trace:\n%s", kind, output.String())
	}
	return err == nil
}

// check checks that a finished run is complete, and has each row once.
func (s *soak) check(b *testing.B, dir string) {
	b.Helper()
	v, err := record.Verify(dir)
	if err != nil {
		b.Fatal(err)
	}
	if !v.Complete() {
		b.Errorf("%s: %s", dir, verificationText(v))
	}
	recorded, err := record.Read(dir)
	if err != nil {
		b.Fatal(err)
	}
	seen := map[string]int{}
	for _, row := range recorded.Rows {
		n, _ := row.Int("server_cpus")
		block, _ := row.Int("block")
		attempt, _ := row.Int("attempt")
		seen[fmt.Sprint(row.Text("scenario"), row.Text("variant"), n, block, attempt, row.Text("phase"))]++
	}
	for key, n := range seen {
		if n != 1 {
			b.Errorf("%s has %d rows of %s", dir, n, key)
		}
	}
	b.Logf("%s: %d rows, resumed %d times", v.RunID, v.Rows, len(recorded.Info.ResumedAt))
}

// lab runs a command that must succeed.
func (s *soak) lab(b *testing.B, arguments ...string) {
	b.Helper()
	out, err := exec.Command(s.program, append([]string{"--root", s.checkout}, arguments...)...).CombinedOutput()
	if err != nil {
		b.Fatalf("lab %v: %v\n%s", arguments, err, out)
	}
}

// inventory lists the containers, networks, volumes and untagged images of the engine.
func (s *soak) inventory(b *testing.B) string {
	b.Helper()
	var all []byte
	for _, list := range [][]string{
		{"ps", "-aq"},
		{"network", "ls", "--format", "{{.Name}} {{.Driver}}"},
		{"volume", "ls", "-q"},
		{"images", "-q", "--filter", "dangling=true"},
	} {
		out, err := exec.Command("docker", list...).CombinedOutput()
		if err != nil {
			b.Fatalf("docker %v: %v\n%s", list, err, out)
		}
		all = append(all, out...)
	}
	return string(all)
}
