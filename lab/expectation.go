package lab

import "encoding/json"

// Expectation is what a script says with answer(...) about the answer to a request,
// beside its status, which is Request.Expect. At most one of Body, SHA256 and JSON is
// set.
type Expectation struct {
	Body   []byte `json:"body,omitzero"`    // the exact body; nil: the script does not say
	SHA256 string `json:"sha256,omitempty"` // of the body, in lower-case hexadecimal
	// JSON is contained in the body, which is JSON too: a dict has at least these members, a list has
	// exactly these elements, and other values are equal.
	JSON   json.RawMessage   `json:"json,omitzero"`
	Header map[string]string `json:"headers,omitempty"` // these values, by lower-case name
	// Agree says that all variants give the same answer each time: status and body. Then every answer
	// under load must be this one. Otherwise it must be what the script says, and may differ elsewhere.
	Agree bool `json:"agree"`
}

// HasExactBody reports whether every answer to the request must have the same body. A
// request without an Expectation is answered by its workload, which has no other answers.
func (r Request) HasExactBody() bool { return r.Answer == nil || r.Answer.Agree }
