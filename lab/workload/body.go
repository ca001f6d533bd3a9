package workload

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
)

// body is written in at most one of four ways. It is empty if none is given.
type body struct {
	Text   *string `json:"body,omitempty"`
	Base64 *string `json:"body_base64,omitempty"`
	Repeat *repeat `json:"body_repeat,omitempty"`
	Blocks *blocks `json:"body_blocks,omitempty"`
}

// repeat is a body of a prefix, count times the unit, and a suffix.
type repeat struct {
	Prefix string `json:"prefix,omitempty"`
	Unit   string `json:"unit"`
	Count  int    `json:"count"`
	Suffix string `json:"suffix,omitempty"`
}

// blocks is a body of count blocks of size bytes; byte i of each is i % modulus.
type blocks struct {
	Count   int `json:"count"`
	Size    int `json:"size"`
	Modulus int `json:"modulus"`
}

// maxRepeated limits a repeated body in bytes, so that a typo in the file is an
// error and does not exhaust the memory.
const maxRepeated = 64 << 20

func (b body) bytes() ([]byte, error) {
	count := 0
	for _, given := range []bool{b.Text != nil, b.Base64 != nil, b.Repeat != nil, b.Blocks != nil} {
		if given {
			count++
		}
	}
	if count > 1 {
		return nil, fmt.Errorf("only one of body, body_base64, body_repeat and body_blocks may be given")
	}
	switch {
	case b.Text != nil:
		return []byte(*b.Text), nil
	case b.Base64 != nil:
		decoded, err := base64.StdEncoding.DecodeString(*b.Base64)
		if err != nil {
			return nil, fmt.Errorf("decode body_base64: %w", err)
		}
		return decoded, nil
	case b.Repeat != nil:
		return b.Repeat.bytes()
	case b.Blocks != nil:
		return b.Blocks.bytes()
	}
	return nil, nil
}

func (r repeat) bytes() ([]byte, error) {
	if r.Unit == "" || r.Count < 1 || r.Count > maxRepeated/len(r.Unit) {
		return nil, fmt.Errorf("body_repeat needs a unit, and a count from 1 to %d bytes in all", maxRepeated)
	}
	return slices.Concat([]byte(r.Prefix), bytes.Repeat([]byte(r.Unit), r.Count), []byte(r.Suffix)), nil
}

func (b blocks) bytes() ([]byte, error) {
	if b.Modulus < 1 || b.Modulus > 256 || b.Size < 1 || b.Count < 1 || b.Count > maxRepeated/b.Size {
		return nil, fmt.Errorf("body_blocks needs a modulus from 1 to 256, "+
			"and a size and a count from 1 to %d bytes in all", maxRepeated)
	}
	block := make([]byte, b.Size)
	for i := range block {
		block[i] = byte(i % b.Modulus)
	}
	return bytes.Repeat(block, b.Count), nil
}
