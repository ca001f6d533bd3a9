package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/verdict"
	"runtimelab/lab/wording"
)

// shopServer is a service that knows nothing of the lab. It needs an environment variable
// and a header, and its answer has the time. It answers one request at a time, as over a
// single connection to a database: each takes 5 ms, and a share of them, SLOWER, 1 ms more, by a
// seeded choice. Whole milliseconds, because asyncio waits no other time. Waiting varies less than
// work on a busy machine.
const shopServer = `import asyncio, contextlib, json, os, random, time

TOKEN, SLOWER = os.environ["SHOP_TOKEN"], float(os.environ["SLOWER"])
seeded, database = random.Random(20261130), asyncio.Lock()


async def answer(head):
    lines = head.split("\r\n")
    status, body = "200 OK", {"id": 7, "status": "paid", "at": time.time_ns()}
    if "authorization: bearer " + TOKEN not in [line.lower() for line in lines[1:]]:
        status, body = "401 Unauthorized", {"error": "no token"}
    elif lines[0] != "GET /checkout?id=7 HTTP/1.1":
        status, body = "404 Not Found", {"error": "no such page"}
    async with database:
        await asyncio.sleep(0.006 if seeded.random() < SLOWER else 0.005)
    text = json.dumps(body)
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n{text}"


async def shop(reader, writer):
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # the client has closed
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write((await answer(head.decode())).encode())
            await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(shop, "0.0.0.0", 8000, backlog=1024)
    await server.serve_forever()


asyncio.run(main())
`

const shopDockerfile = `FROM %s
USER root
COPY shop.py /shop.py
ENV SLOWER=%v
CMD ["python", "/shop.py"]
`

// buildImage builds an image without the lab and names it ref.
func buildImage(t *testing.T, c *client.Client, ref string, files map[string]string) {
	t.Helper()
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	for name, text := range files {
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	built, err := c.ImageBuild(t.Context(), &content,
		client.ImageBuildOptions{Tags: []string{ref}, Remove: true})
	if err != nil {
		t.Fatal(err)
	}
	log, err := io.ReadAll(built.Body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ImageInspect(t.Context(), ref); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	t.Cleanup(func() {
		_, err := c.ImageRemove(context.WithoutCancel(t.Context()), ref, client.ImageRemoveOptions{Force: true})
		if err != nil {
			t.Error(err)
		}
	})
}

// ownService returns the command lines, the script of a runtime, the request, and the line of the
// verdict with any figures, as README shows them for a service of one's own.
func ownService(t *testing.T) (commands []string, runtime, request string, verdictLine *regexp.Regexp) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Measure your own service\n")
	section, _, end := strings.Cut(section, "\n## ")
	if lines := strings.Count(section, "\n"); !found || !end || lines > 24 {
		t.Fatalf("README has no section of at most 24 lines about a service of one's own: %d", lines)
	}
	for _, line := range strings.Split(section, "\n") {
		if command, ok := strings.CutPrefix(line, "bin/lab "); ok {
			command, _, _ = strings.Cut(command, " #")
			commands = append(commands, strings.TrimSpace(command))
		}
	}
	script := regexp.MustCompile("(?s)```python\n(.*?)```").FindStringSubmatch(section)
	get := regexp.MustCompile("(?s)`(get\\(.*?\\))`").FindStringSubmatch(section)
	line := regexp.MustCompile(`(?m)^(  checkout  \w+  )[0-9].*\](  .*)$`).FindStringSubmatch(section)
	if script == nil || get == nil || line == nil {
		t.Fatal("README shows no script, no request or no verdict")
	}
	figures := `[0-9.]+x \[[0-9.]+, [0-9.]+\]`
	verdictLine = regexp.MustCompile(
		"(?m)^" + regexp.QuoteMeta(line[1]) + figures + regexp.QuoteMeta(line[2]) + "$")
	return commands, script[1], get[1], verdictLine
}

// From the names of two images to a verdict: what README says, with the files that lab new writes,
// filled in. Version 2 takes a tenth longer for each request, and version 1 differs from itself by
// nothing. Other work on the machine disturbs trials and widens intervals: so the run has one block
// more than a verdict needs, and is made up to three times until all is decided. A wrong decision is
// never repeated.
func TestIntegrationTwoImagesToAVerdict(t *testing.T) {
	c := needEngine(t)
	root := checkout(t)
	base := pythonImage(t.Context(), t)
	for ref, slower := range map[string]float64{"shop:1": 0, "shop:2": 0.5} {
		buildImage(t, c, ref, map[string]string{
			"Dockerfile": fmt.Sprintf(shopDockerfile, base, slower), "shop.py": shopServer,
		})
	}
	commands, runtime, request, line := ownService(t)
	last := len(commands) - 1 // the run
	for i, command := range commands[:last] {
		if i == 3 { // the files are written
			fillIn(t, root, runtime, request)
		}
		t.Logf("%s\n%s", command, labOutput(t, root, command))
	}
	for range 3 {
		// quick would take eight minutes
		report := labOutput(t, root, commands[last]+fmt.Sprintf(" --profile smoke --blocks %d", lab.MinBlocks+1))
		t.Logf("%s\n%s", commands[last], report)
		decided := line.MatchString(report)
		if !decided && !strings.Contains(report, "\n  checkout  inconclusive  ") {
			t.Fatalf("no line of the report is %v", line)
		}
		run := latestRun(t, root)
		result := verdict.Judge(withTwins(run.Info.Plan), run.Rows, run.MeasuredTrials())
		if !decided || undecided(result, shopFindings) {
			continue
		}
		failEach(t, wrongVerdicts(result, shopFindings))
		for _, file := range []string{"verdicts.csv", "trials.csv"} {
			if _, err := os.Stat(filepath.Join(run.Dir, file)); err != nil {
				t.Error(err)
			}
		}
		return
	}
	t.Error("three runs have not decided all claims")
}

// shopFindings are the right findings on the claims of withTwins, by id.
var shopFindings = map[string]lab.Finding{
	"checkout": lab.Refuted, "twins": lab.Refuted, "faster": lab.Supported,
}

// withTwins returns the plan of the scenario checkout with two more claims on its trials: that version 1
// is faster than its twin of the A/A control, and faster than version 2. The margin for the twins is
// wide, because the blocks are few and short; BenchmarkTenPercentSlower has a realistic one.
func withTwins(p lab.Plan) lab.Plan {
	first := p.Hypotheses[0].Denominator
	twin := first
	twin.Variant = lab.TwinOf(first.Variant)
	for id, than := range map[string]struct {
		arm    lab.Arm
		margin float64
	}{"twins": {twin, 0.15}, "faster": {p.Hypotheses[0].Numerator, 0.03}} {
		h := p.Hypotheses[0]
		h.Claim, h.Direction, h.Margin = id, lab.Higher, than.margin
		h.Numerator, h.Denominator = first, than.arm
		p.Hypotheses = append(slices.Clip(p.Hypotheses), h)
		p.Claims = append(slices.Clip(p.Claims), lab.Claim{ID: id})
	}
	return p
}

// undecided reports whether a result lacks a finding and has no wrong one.
func undecided(r verdict.Result, right map[string]lab.Finding) (open bool) {
	for _, c := range r.Claims {
		if c.Finding == lab.Inconclusive {
			open = true
		} else if c.Finding != right[c.ID] {
			return false
		}
	}
	return open
}

// wrongVerdicts returns the failed controls and wrong findings of a result.
func wrongVerdicts(r verdict.Result, right map[string]lab.Finding) (all []string) {
	for _, c := range r.Controls {
		if !c.Passed {
			all = append(all, c.Name+": "+wording.Control(c))
		}
	}
	for _, c := range r.Claims {
		if want := right[c.ID]; c.Finding != want {
			all = append(all, fmt.Sprintf("%s is %s, want %s: %s", c.ID, c.Finding, want, wording.Claim(c)))
		}
	}
	return all
}

// labOutput runs a command line of the lab and returns its standard output. Phases of a run are as short
// as its verdict allows.
func labOutput(t *testing.T, root, line string) string {
	t.Helper()
	a := &app{ctx: t.Context(), adjustProfile: phasesOf(1500 * time.Millisecond)}
	code, stdout, stderr := runApp(a, append(strings.Fields(line), "--root", root))
	if code != fault.ExitOK {
		t.Fatalf("%s exits with %d\n%s%s", line, code, stdout, stderr)
	}
	return stdout
}

// fillIn fills in the files that lab new has written, as README shows it.
func fillIn(t *testing.T, root, runtime, request string) {
	t.Helper()
	for _, version := range []string{"1", "2"} {
		text := strings.NewReplacer("shop-1", "shop-"+version, "shop:1", "shop:"+version).Replace(runtime)
		edit(t, filepath.Join(root, "runtimes", "shop-"+version, "runtime.star"),
			func(string) string { return text })
	}
	edit(t, filepath.Join(root, "scenarios", "checkout.star"), func(s string) string {
		s = strings.Replace(s, `get("/", expect = answer(status = 200, agree = False))`, request, 1)
		// The verdict does not need these, and each takes half as long as the peak or more.
		s = strings.Replace(s, "        steady(rate = 1000),\n", "", 1)
		s = strings.Replace(s, "        warmup(connections = 64),\n", "", 1)
		return strings.Replace(s, `    about =`, `    profile = "smoke",`+"\n    about =", 1)
	})
}
