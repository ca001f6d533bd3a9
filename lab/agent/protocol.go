package agent

import (
	"encoding/json"
	"time"

	"runtimelab/lab"
)

const (
	verbProbe  = "probe"
	verbAwait  = "await"
	verbCheck  = "check"
	verbAttack = "attack"
)

type request struct {
	ID        int             `json:"id"`
	Verb      string          `json:"verb"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

type reply struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// Awaited is a server whose first correct answer is waited for.
type Awaited struct {
	BaseURL  string        `json:"base_url"`
	Target   lab.Target    `json:"target"` // an empty body takes any
	Patience time.Duration `json:"patience_ns"`
}

type checked struct {
	BaseURL  string        `json:"base_url"`
	Requests []lab.Request `json:"requests"`
}
