package cli

import (
	"context"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/moby/moby/client"
)

// compileProgram compiles a program of testdata for the engine's containers into file.
func compileProgram(ctx context.Context, t *testing.T, name, file string) {
	t.Helper()
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", file, "./testdata/"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
}

// importProgram imports an image that holds a program of testdata as /server, with changes
// in the words of a Dockerfile. The caller removes the image.
func importProgram(ctx context.Context, t *testing.T, c *client.Client, name, ref string, changes ...string) {
	t.Helper()
	file := t.TempDir() + "/server"
	compileProgram(ctx, t, name, file)
	source := client.ImageImportSource{Source: tarOf(t, map[string]string{"/server": file}), SourceName: "-"}
	imported, err := c.ImageImport(ctx, source, ref, client.ImageImportOptions{Changes: changes})
	if err == nil {
		_, err = io.Copy(io.Discard, imported)
	}
	if err != nil {
		t.Fatal(err)
	}
}
