package record

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"

	"runtimelab/lab"
)

// WithoutCredentials returns a variant with hashes of its headers in place of their values, which may
// be credentials: results are shared.
func WithoutCredentials(v lab.Variant) lab.Variant {
	if v.Own == nil {
		return v
	}
	own := *v.Own
	own.Headers = hashValues(own.Headers)
	if own.Ready != nil {
		ready := *own.Ready
		ready.Header = hashValues(ready.Header)
		own.Ready = &ready
	}
	v.Own = &own
	return v
}

// hashValues returns a map with the same keys, and with a hash of each value.
func hashValues(values map[string]string) map[string]string {
	hashed := maps.Clone(values)
	for name, value := range hashed {
		sum := sha256.Sum256([]byte(value))
		hashed[name] = "sha256:" + hex.EncodeToString(sum[:])
	}
	return hashed
}
