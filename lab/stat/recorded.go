package stat

import (
	"bufio"
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"runtimelab/lab/delimited"
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
// as a throughput. Other programs may have saved it. Mistakes name their line.
func ReadRecording(r io.Reader) (Recording, error) {
	buffered := bufio.NewReader(r)
	origin, lines, err := readOrigin(buffered)
	if err != nil {
		return Recording{}, fmt.Errorf("line %d: %w", lines+1, err)
	}
	twins := func(name string) bool { return slices.Contains(twinsHeader, name) }
	file, err := delimited.NewReader(buffered, lines, delimited.Columns{
		Known: twins, Optional: func(name string) bool { return !twins(name) },
	})
	if err != nil {
		return Recording{}, err
	}
	if !slices.Equal(file.Header(), twinsHeader) {
		return Recording{}, fmt.Errorf("line %d: the header is not %s",
			max(file.Line(), lines+1), strings.Join(twinsHeader, ","))
	}
	pairs, err := pairUp(file)
	return Recording{Origin: origin, Twins: pairs}, err
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

// readOrigin reads the lines of #, which a spreadsheet cuts into cells and puts into
// quotes.
func readOrigin(r *bufio.Reader) (origin string, lines int, err error) {
	if mark, _ := r.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		_, _ = r.Discard(len(mark)) // it is in the buffer
	}
	var said []string
	for {
		if next, err := r.Peek(2); len(next) == 0 || next[0] != '#' && string(next) != `"#` {
			if errors.Is(err, io.EOF) {
				err = nil // the header will be missing
			}
			return strings.Join(said, " "), lines, err
		}
		line, err := r.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", lines, err
		}
		said = append(said, strings.Trim(strings.TrimLeft(line, `"#`), "\",; \t\r\n"))
		lines++
	}
}

const byteOrderMark = "\ufeff"

// fewestRatios is what a simulation has to draw from at the least to show more
// than its own coarseness.
const fewestRatios = 12

// pairUp collects rows by pair.
func pairUp(file *delimited.Reader) (twins []Twins, err error) {
	file.Want(twinsHeader)
	at := map[string]int{}
	rows := 0
	for ; ; rows++ {
		row, err := file.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		pair, known := at[string(row[0])]
		if !known {
			pair = len(twins)
			at[string(row[0])], twins = pair, append(twins, Twins{})
		}
		a, errA := positive(file, row[2])
		b, errB := positive(file, row[3])
		if err := errors.Join(errA, errB); err != nil {
			return nil, err
		}
		twins[pair].A, twins[pair].B = append(twins[pair].A, a), append(twins[pair].B, b)
	}
	if rows < fewestRatios {
		return nil, fmt.Errorf("at least %d blocks of twins are needed to draw from, not %d", fewestRatios, rows)
	}
	return twins, nil
}

// valueDecimals are those of a throughput.
const valueDecimals = 3

func positive(file *delimited.Reader, cell []byte) (float64, error) {
	text, err := file.Number(cell, valueDecimals)
	var refused *delimited.Refusal
	if errors.As(err, &refused) && refused.Hint != "" { // it is a number, in doubt
		return 0, err
	}
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(x > 0) || math.IsInf(x, 1) {
		return 0, fmt.Errorf("line %d: %q is not a number above 0", file.Line(), cell)
	}
	return x, nil
}
