package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/workload"
)

// listOfWorkloads returns for each workload what it is, and what an application may do and may not.
func listOfWorkloads(set *workload.Set) string {
	var b strings.Builder
	for i, w := range set.All() {
		if i > 0 {
			b.WriteByte('\n')
		}
		writeWrapped(&b, "", "", fmt.Sprintf("[%s](../%s): %s.", w.Name, w.File, w.About()))
		b.WriteByte('\n')
		for _, text := range w.May() {
			writeItem(&b, "May: "+lowerFirst(text))
		}
		for _, text := range w.MayNot() {
			writeItem(&b, "May not: "+lowerFirst(text))
		}
	}
	return b.String()
}

func lowerFirst(text string) string { return strings.ToLower(text[:1]) + text[1:] }

// documentedWorkload returns the example of a workload.json in runtimes/README.md.
func documentedWorkload(t *testing.T) string {
	t.Helper()
	for _, d := range readDocuments(t) {
		for _, b := range d.blocks {
			if d.path == "runtimes/README.md" && b.language == "json" {
				return b.text
			}
		}
	}
	t.Fatal("runtimes/README.md shows no workload")
	return ""
}

// greetCheckout returns a checkout with the documented workload greet, two servers that offer it,
// and a scenario that asks it of all variants.
func greetCheckout(t *testing.T) string {
	t.Helper()
	root := checkout(t)
	if err := os.CopyFS(root, os.DirFS(filepath.Join("testdata", "greet"))); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(root, workload.Dir, "greet", workload.File), documentedWorkload(t))
	writeFile(t, filepath.Join(root, "scenarios", "greet.star"), `scenario(
    name = "greet",
    about = "a greeting, by whoever greets",
    profile = "smoke",
    requests = [get("/greet?n=3")],
    phases = [warmup(connections = 8), peak(connections = 8)],
)
`)
	return root
}

func TestTheDocumentedWorkloadIsAFolder(t *testing.T) {
	code, stdout, stderr := labRun(t.Context(), "list", "--root", greetCheckout(t))
	for _, want := range []string{
		"on greet-js/single, greet-py/threads\n",
		"left out: node/single, which does not offer greet\n",
		"offered by greet-js/single, greet-py/threads\n",
	} {
		if code != fault.ExitOK || !strings.Contains(stdout, want) {
			t.Errorf("exit code %d, no %q in\n%s%s", code, want, stdout, stderr)
		}
	}
}

// A workload needs no more than a folder and applications that offer it.
func TestIntegrationANewWorkloadIsAFolder(t *testing.T) {
	c := needEngine(t)
	defer removeImagesExcept(t, c, imageTags(t, c))
	root := greetCheckout(t)
	both := []string{"greet-js/single", "greet-py/threads"}
	code, got, stderr := labContract(t, root, both...)
	for _, id := range both {
		if code != fault.ExitOK || !got[id].Passed {
			t.Errorf("exit code %d, %s: %s\n%s", code, id, got[id].Why, stderr)
		}
	}
	code, stdout, stderr := briefLabRun(t.Context(), "run", "--root", root, "--profile", "smoke", "greet")
	if code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	run := latestRun(t, root)
	var measured []string
	for _, row := range run.Rows {
		if attempt, _ := row.Int("attempt"); attempt == 1 {
			measured = append(measured, row.Text("variant")+" "+row.Text("phase"))
		}
		if row.Text("validity") == string(lab.Failed) {
			t.Errorf("%s: %s", row.Text("variant"), row.Text("validity_reason"))
		}
	}
	slices.Sort(measured)
	if want := []string{"greet-js/single peak", "greet-py/threads peak"}; !slices.Equal(measured, want) {
		t.Errorf("rows %v, want %v", measured, want)
	}
	if want := "greet on node/single is left out: it does not offer greet"; !slices.Contains(run.Info.Notes,
		want) {
		t.Errorf("no note %q in %q", want, run.Info.Notes)
	}

	edit(t, filepath.Join(root, "runtimes", "greet-py", "server.py"), func(s string) string {
		return strings.Replace(s, `f"hello {n}"`, `f"hallo {n}"`, 1)
	})
	code, got, stderr = labContract(t, root, both...)
	why := got["greet-py/threads"].Why
	if code != fault.ExitFailed || !got["greet-js/single"].Passed || !strings.Contains(why,
		"greet: GET /greet?n=3") ||
		!strings.Contains(why, "body differs at byte 1 (") {
		t.Errorf("exit code %d: %+v\n%s", code, got, stderr)
	}
}
