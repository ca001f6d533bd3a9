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

// PairedValues holds the values of two equal arms by block of one run: A[i] and B[i] are of
// the same block.
type PairedValues struct{ A, B []float64 }

// Recording holds measured values of pairs of equal arms, called twins.
type Recording struct {
	Origin string // what was measured, on which host, in which runs
	Pairs  []PairedValues
}

//go:embed recorded/aa.csv
var recordingCSV []byte

// ShippedRecording returns the recording that the lab ships.
func ShippedRecording() (Recording, error) { return ReadRecording(bytes.NewReader(recordingCSV)) }

// ReadRecording reads a file of twins: lines that begin with # for the origin, then CSV with
// the header pair,block,a,b and a row for each block of each pair. Values are, for example,
// throughputs. Files saved by other programs are read, too. Errors name the line.
func ReadRecording(r io.Reader) (Recording, error) {
	buffered := bufio.NewReader(r)
	origin, lines, err := readOrigin(buffered)
	if err != nil {
		return Recording{}, fmt.Errorf("line %d: %w", lines+1, err)
	}
	isNeeded := func(name string) bool { return slices.Contains(recordingHeader, name) }
	file, err := delimited.NewReader(buffered, lines, delimited.Columns{
		Known: isNeeded, Optional: func(name string) bool { return !isNeeded(name) },
	})
	if err != nil {
		return Recording{}, err
	}
	if !slices.Equal(file.Header(), recordingHeader) {
		return Recording{}, fmt.Errorf("line %d: the header is not %s",
			max(file.Line(), lines+1), strings.Join(recordingHeader, ","))
	}
	pairs, err := parsePairs(file)
	return Recording{Origin: origin, Pairs: pairs}, err
}

// Write writes a recording in the format of ReadRecording.
func (r Recording) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	if r.Origin != "" {
		fmt.Fprintf(out, "# %s\n", strings.ReplaceAll(r.Origin, "\n", "\n# "))
	}
	fmt.Fprintln(out, strings.Join(recordingHeader, ","))
	for i, t := range r.Pairs {
		for block := range t.A {
			fmt.Fprintf(out, "%d,%d,%v,%v\n", i+1, block+1, t.A[block], t.B[block])
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing a recording: %w", err)
	}
	return nil
}

var recordingHeader = []string{"pair", "block", "a", "b"}

// readOrigin reads the lines that begin with #. A spreadsheet may have split them into cells
// and quoted these.
func readOrigin(r *bufio.Reader) (origin string, lines int, err error) {
	if mark, _ := r.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		_, _ = r.Discard(len(mark)) // cannot fail: it is in the buffer
	}
	var texts []string
	for {
		if next, err := r.Peek(2); len(next) == 0 || next[0] != '#' && string(next) != `"#` {
			if errors.Is(err, io.EOF) {
				err = nil // the caller reports the missing header
			}
			return strings.Join(texts, " "), lines, err
		}
		line, err := r.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", lines, err
		}
		texts = append(texts, strings.Trim(strings.TrimLeft(line, `"#`), "\",; \t\r\n"))
		lines++
	}
}

const byteOrderMark = "\ufeff"

// minRatios is the number of ratios that a simulation needs to draw from. With fewer, draws
// repeat so often that they show little of the noise.
const minRatios = 12

// parsePairs reads the rows and collects them by pair.
func parsePairs(file *delimited.Reader) (twins []PairedValues, err error) {
	file.Want([]string{"pair", "a", "b"})
	indexes := map[string]int{}
	rows := 0
	for ; ; rows++ {
		row, err := file.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		name, cellA, cellB := row[0], row[1], row[2]
		pair, known := indexes[string(name)]
		if !known {
			pair = len(twins)
			indexes[string(name)], twins = pair, append(twins, PairedValues{})
		}
		a, errA := parsePositive(file, cellA)
		b, errB := parsePositive(file, cellB)
		if err := errors.Join(errA, errB); err != nil {
			return nil, err
		}
		twins[pair].A, twins[pair].B = append(twins[pair].A, a), append(twins[pair].B, b)
	}
	if rows < minRatios {
		return nil, fmt.Errorf("a recording needs at least %d blocks of twins; this has %d", minRatios, rows)
	}
	return twins, nil
}

// valueDecimals is the number of decimals that the lab writes for a throughput.
const valueDecimals = 3

func parsePositive(file *delimited.Reader, cell []byte) (float64, error) {
	text, err := file.Number(cell, valueDecimals)
	var refused *delimited.Refusal
	if errors.As(err, &refused) && refused.Hint != "" { // an ambiguous number; the error explains it
		return 0, err
	}
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(x > 0) || math.IsInf(x, 1) {
		return 0, fmt.Errorf("line %d: %q is not a number above 0", file.Line(), cell)
	}
	return x, nil
}
