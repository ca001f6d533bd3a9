package attack

import (
	"fmt"
	"time"

	"runtimelab/lab"
)

// exchange is what a driver measured of one hit. It knows nothing of the protocol: the driver has
// judged the answer. Times count from the epoch.
type exchange struct {
	seq            uint64
	target         int           // its index
	intended       time.Duration // when it was due; in a closed loop when it was sent
	sent           time.Duration
	firstByte, end time.Duration // firstByte is 0 if no byte came
	status         int           // 0 if no answer came
	bytesIn        int64
	answered       bool   // a whole answer came
	failure        string // why it is no success; empty if it is one
}

// judge says why answers are failures. It words each reason once. Only one goroutine may use it.
type judge struct {
	targets []lab.Target
	reasons map[wrongAnswer]string
}

// wrongAnswer is what a reason depends on.
type wrongAnswer struct {
	target, status             int
	headerDiffers, bodyDiffers bool
}

func newJudge(targets []lab.Target) *judge {
	return &judge{targets: targets, reasons: make(map[wrongAnswer]string)}
}

// failure returns why an answer is a failure, or "" if it is a success. An answer that differs from its
// target's is an error of the server.
func (j *judge) failure(index int, got answer) string {
	tg := &j.targets[index]
	if got.status == tg.Status && !got.headerDiffers && !got.bodyDiffers {
		return ""
	}
	wrong := wrongAnswer{index, got.status, got.headerDiffers, got.bodyDiffers}
	reason, known := j.reasons[wrong]
	if !known {
		reason = wrong.reason(tg)
		j.reasons[wrong] = reason
	}
	return reason
}

func (w wrongAnswer) reason(tg *lab.Target) string {
	switch request := &tg.Request; {
	case w.status != tg.Status:
		return fmt.Sprintf("status %d instead of %d", w.status, tg.Status)
	case w.headerDiffers:
		return fmt.Sprintf("%s %s: the header is not what the script expects", request.Method, request.Path)
	case request.Answer != nil:
		return fmt.Sprintf("%s %s: the body is not what the script expects", request.Method, request.Path)
	default:
		return fmt.Sprintf("%s %s: body differs from the contract's", request.Method, request.Path)
	}
}
