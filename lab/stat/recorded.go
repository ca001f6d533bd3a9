package stat

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Twins are the values that two arms which do not differ had in the blocks of one
// run: A[i] and B[i] are of the same block.
type Twins struct{ A, B []float64 }

// Recording is twins, and where they come from.
type Recording struct {
	Origin string
	Twins  []Twins
}

//go:embed recorded/aa.csv
var recorded []byte

// Recorded is the recording that the lab ships.
func Recorded() (Recording, error) { return ReadRecording(bytes.NewReader(recorded)) }

// ReadRecording reads a file of twins: lines of # that say where they come from,
// then CSV, a row for each block of each pair with the value of either arm, such
// as a throughput. Mistakes name their line.
func ReadRecording(r io.Reader) (Recording, error) {
	buffered := bufio.NewReader(r)
	origin, lines, err := readOrigin(buffered)
	if err != nil {
		return Recording{}, fmt.Errorf("line %d: %w", lines+1, err)
	}
	file := csv.NewReader(buffered)
	rows, err := file.ReadAll()
	if err != nil {
		return Recording{}, fmt.Errorf("after %d lines of origin: %w", lines, err)
	}
	if len(rows) == 0 || !slices.Equal(rows[0], twinsHeader) {
		return Recording{}, fmt.Errorf("line %d: the header is not %s", lines+1, strings.Join(twinsHeader, ","))
	}
	twins, err := pairUp(rows[1:], lines+2)
	return Recording{Origin: origin, Twins: twins}, err
}

// Write writes a recording as ReadRecording reads it.
func (r Recording) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	if r.Origin != "" {
		fmt.Fprintf(out, "# %s\n", strings.ReplaceAll(r.Origin, "\n", "\n# "))
	}
	fmt.Fprintln(out, strings.Join(twinsHeader, ","))
	for i, t := range r.Twins {
		for block := range t.A {
			fmt.Fprintf(out, "%d,%d,%v,%v\n", i+1, block+1, t.A[block], t.B[block])
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing a recording: %w", err)
	}
	return nil
}

var twinsHeader = []string{"pair", "block", "a", "b"}

func readOrigin(r *bufio.Reader) (origin string, lines int, err error) {
	var said []string
	for {
		if next, err := r.Peek(1); err != nil || next[0] != '#' {
			if errors.Is(err, io.EOF) {
				err = nil // the header will be missing
			}
			return strings.Join(said, " "), lines, err
		}
		line, err := r.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", lines, err
		}
		said = append(said, strings.TrimSpace(strings.TrimPrefix(line, "#")))
		lines++
	}
}

// fewestRatios is what a simulation has to draw from at the least to show more
// than its own coarseness.
const fewestRatios = 12

// pairUp collects rows, the first of which stands in that line, by pair.
func pairUp(rows [][]string, first int) (twins []Twins, err error) {
	at := map[string]int{}
	for i, row := range rows {
		pair, known := at[row[0]]
		if !known {
			pair = len(twins)
			at[row[0]], twins = pair, append(twins, Twins{})
		}
		a, errA := positive(row[2])
		b, errB := positive(row[3])
		if err := errors.Join(errA, errB); err != nil {
			return nil, fmt.Errorf("line %d: %w", first+i, err)
		}
		twins[pair].A, twins[pair].B = append(twins[pair].A, a), append(twins[pair].B, b)
	}
	if len(rows) < fewestRatios {
		return nil, fmt.Errorf("at least %d blocks of twins are needed to draw from, not %d", fewestRatios, len(rows))
	}
	return twins, nil
}

func positive(text string) (float64, error) {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !(x > 0) || math.IsInf(x, 1) {
		return 0, fmt.Errorf("%q is not a number above 0", text)
	}
	return x, nil
}
