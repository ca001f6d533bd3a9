package record

import (
	"bytes"
	"encoding/json"
)

// listedCores writes anew what a run.json from before scenarios could give servers
// several numbers of CPUs says of them: "cores": 2 is "cores": [2]. All else stays
// as it is.
func listedCores(info []byte) ([]byte, error) {
	var run, plan map[string]json.RawMessage
	if err := json.Unmarshal(info, &run); err != nil {
		return nil, err
	}
	if err := decode(run["plan"], &plan); err != nil {
		return nil, err
	}
	var scenarios []map[string]json.RawMessage
	if err := decode(plan["scenarios"], &scenarios); err != nil {
		return nil, err
	}
	older := false
	for _, s := range scenarios {
		if cores := bytes.TrimSpace(s["cores"]); len(cores) > 0 && cores[0] >= '0' && cores[0] <= '9' {
			s["cores"], older = json.RawMessage("["+string(cores)+"]"), true
		}
	}
	if !older {
		return info, nil
	}
	var err error
	if plan["scenarios"], err = json.Marshal(scenarios); err != nil {
		return nil, err
	}
	if run["plan"], err = json.Marshal(plan); err != nil {
		return nil, err
	}
	return json.Marshal(run)
}

// decode leaves into as it is where there is nothing to decode.
func decode(text json.RawMessage, into any) error {
	if len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, into)
}
