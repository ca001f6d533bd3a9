package cli

import (
	"io"

	"runtimelab/lab/table"
)

// safeWriter escapes terminal control characters: text from servers, scripts and files
// must not control the terminal. See table.EscapeControls.
type safeWriter struct{ out io.Writer }

func (s safeWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(s.out, table.EscapeControls(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// unwrapSafeWriter returns the writer inside a safeWriter, and any other writer as it is.
// The caller must escape text itself.
func unwrapSafeWriter(w io.Writer) io.Writer {
	if s, ok := w.(safeWriter); ok {
		return s.out
	}
	return w
}
