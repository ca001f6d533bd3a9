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

	"runtimelab/lab/record"
)

// BenchmarkSoak has three quick runs suffer what happens to runs on machines that
// people use: kill -9, Ctrl-C and restarts of the engine, at moments that nobody
// chose; each is resumed until it is done. It then must hold every trial of its plan
// exactly once, and the engine nothing of it. It takes an hour, and is not run
// without SOAK.
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
	s.lab(b, "contract") // builds the images, so that the engine holds before what it holds after
	before := s.inventory(b)
	disasters := 0
	for range 3 {
		disasters += s.run(b)
	}
	if after := s.inventory(b); after != before {
		b.Errorf("the engine held\n%s\nbefore and\n%s\nafter", before, after)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(3, "runs")
	b.ReportMetric(float64(disasters), "disasters")
}

type soak struct {
	program, checkout string
	random            *rand.Rand
}

// run is one quick run, interrupted up to four times.
func (s *soak) run(b *testing.B) (disasters int) {
	b.Helper()
	arguments := []string{"run", "--profile", "quick"}
	for {
		disaster := ""
		if disasters < 4 {
			disaster = []string{"kill -9", "Ctrl-C", "engine restart"}[s.random.IntN(3)]
		}
		done := s.session(b, arguments, disaster, time.Duration(20+s.random.IntN(220))*time.Second)
		dir, err := record.LatestDir(filepath.Join(s.checkout, "results"))
		if err != nil {
			if done {
				b.Fatal(err)
			}
			continue // it was over before it had begun
		}
		if done {
			s.check(b, dir)
			return disasters
		}
		disasters++
		b.Logf("%s after %s", filepath.Base(dir), disaster)
		if info, err := record.ReadInfo(dir); err == nil && info.State != record.Done {
			arguments = []string{"run", "--resume", info.RunID}
		}
	}
}

// session is one process of a run; done says that it came to its end.
func (s *soak) session(b *testing.B, arguments []string, disaster string, after time.Duration) (done bool) {
	b.Helper()
	var said bytes.Buffer
	command := exec.Command(s.program, append([]string{"--root", s.checkout}, arguments...)...)
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	strike := time.After(after)
	if disaster == "" {
		strike = nil
	}
	select {
	case err := <-ended:
		if err != nil {
			b.Fatalf("%v ended with %v\n%s", arguments, err, said.String())
		}
		return true
	case <-strike:
	}
	switch disaster {
	case "kill -9":
		_ = command.Process.Kill() // it may have ended
	case "Ctrl-C":
		_ = command.Process.Signal(syscall.SIGINT)
	case "engine restart":
		s.lab(b, "engine", "down")
		s.lab(b, "engine", "up")
	}
	err := <-ended
	if bytes.Contains(said.Bytes(), []byte("goroutine ")) {
		b.Fatalf("after %s it prints a trace:\n%s", disaster, said.String())
	}
	return err == nil
}

// check holds a finished run to its plan.
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
	for which, n := range seen {
		if n != 1 {
			b.Errorf("%s has %d rows of %s", dir, n, which)
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

// inventory is what the engine holds but for named images.
func (s *soak) inventory(b *testing.B) string {
	b.Helper()
	var all []byte
	for _, list := range [][]string{
		{"ps", "-aq"}, {"network", "ls", "--format", "{{.Name}} {{.Driver}}"}, {"volume", "ls", "-q"}, {
			"images",
			"-q", "--filter", "dangling=true",
		},
	} {
		out, err := exec.Command("docker", list...).CombinedOutput()
		if err != nil {
			b.Fatalf("docker %v: %v\n%s", list, err, out)
		}
		all = append(all, out...)
	}
	return string(all)
}
