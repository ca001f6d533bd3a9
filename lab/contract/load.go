package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"runtimelab/lab/fault"
)

// version is the version of the contract file that this package reads.
const version = 1

// Load reads a contract file. It rejects unknown fields, duplicate vectors and
// bodies that are given twice, so that it never ignores a part of the contract.
// Errors are *fault.Error.
func Load(path string) (*Contract, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, newFault(fmt.Errorf("read the contract: %w", err))
	}
	c, err := parse(content)
	if err != nil {
		return nil, newFault(fmt.Errorf("read the contract %s: %w", path, err))
	}
	return c, nil
}

func newFault(err error) error {
	return &fault.Error{
		Code: fault.ExitUsage,
		Err:  err,
		Hint: "see runtimes/README.md for what the contract holds",
	}
}

func parse(content []byte) (*Contract, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	c := &Contract{}
	if err := decoder.Decode(&c.file); err != nil {
		return nil, withLine(content, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("line %d: unexpected content after the contract",
			lineAt(content, decoder.InputOffset()))
	}
	if c.file.Version != version {
		return nil, fmt.Errorf("the file has version %d, and this lab reads version %d", c.file.Version, version)
	}
	if err := c.resolve(); err != nil {
		return nil, err
	}
	if err := c.file.Identity.check(); err != nil {
		return nil, err
	}
	return c, c.file.Random.check()
}

// minSharedBody is the size in bytes from which bodies share memory.
const minSharedBody = 1 << 20

// shareBodies saves memory: a large request body that is a prefix of another one
// uses that one's bytes. The largest bodies repeat one letter, at, below and above
// a limit.
func shareBodies(vectors []Vector) {
	longest := make([]*Vector, len(vectors))
	for i := range vectors {
		longest[i] = &vectors[i]
	}
	slices.SortStableFunc(longest, func(a, b *Vector) int { return len(b.Request.Body) - len(a.Request.Body) })
	var kept [][]byte
	for _, v := range longest {
		body := v.Request.Body
		if len(body) < minSharedBody {
			return
		}
		if i := slices.IndexFunc(kept, func(k []byte) bool { return bytes.HasPrefix(k, body) }); i >= 0 {
			v.Request.Body = slices.Clip(kept[i][:len(body)])
		} else {
			kept = append(kept, body)
		}
	}
}

func (c *Contract) resolve() error {
	for _, name := range c.file.Headers.Always {
		if name != strings.ToLower(name) {
			return fmt.Errorf("header %q is not in lower case", name)
		}
	}
	seen := map[string]bool{}
	for _, e := range c.file.Endpoints {
		if len(e.Vectors) == 0 {
			return fmt.Errorf("endpoint %s has no vectors", e.Path)
		}
		for _, doc := range e.Vectors {
			v, err := doc.resolve(e, c.file.Headers.Always)
			if err != nil {
				return fmt.Errorf("endpoint %s, vector %q: %w", e.Path, doc.Name, err)
			}
			if seen[v.Name] {
				return fmt.Errorf("two vectors are named %q", v.Name)
			}
			seen[v.Name] = true
			c.vectors = append(c.vectors, v)
		}
	}
	if len(c.vectors) == 0 {
		return errors.New("there are no vectors")
	}
	shareBodies(c.vectors)
	if !slices.ContainsFunc(c.file.Endpoints, func(e endpoint) bool { return e.Path == c.file.Identity.Path }) {
		return fmt.Errorf("identity: no endpoint %q", c.file.Identity.Path)
	}
	return nil
}

// withLine adds the line number to an error of the decoder, if it has one.
func withLine(content []byte, err error) error {
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: %w", lineAt(content, syntax.Offset), err)
	case errors.As(err, &mistyped):
		return fmt.Errorf("line %d: %w", lineAt(content, mistyped.Offset), err)
	}
	return err
}

func lineAt(content []byte, offset int64) int {
	return 1 + bytes.Count(content[:min(int(offset), len(content))], []byte("\n"))
}
