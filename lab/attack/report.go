package attack

import (
	"encoding/binary"
	"time"
)

// exchangeReport is what the transport measured of one exchange. It passes through Vegeta as the
// body of the answer, so that it reaches the recorder together with its hit. The transport has
// already judged the answer's own body and header.
type exchangeReport struct {
	answer
	target                   int
	sent, firstByteAt, endAt time.Duration // after the transport's epoch
}

// reportSize is the size of an encoded report in bytes: seven numbers of 8 bytes.
const reportSize = 8 * 7

// These bits of a report's last number say what differs.
const (
	bodyBit = 1 << iota
	headerBit
)

// encode writes the report into p, which has reportSize bytes.
func (r exchangeReport) encode(p []byte) []byte {
	differs := uint64(0)
	if r.bodyDiffers {
		differs |= bodyBit
	}
	if r.headerDiffers {
		differs |= headerBit
	}
	for i, v := range [...]uint64{
		uint64(r.target), uint64(r.status), uint64(r.sent), uint64(r.firstByteAt), uint64(r.endAt),
		uint64(r.bytesIn), differs,
	} {
		binary.LittleEndian.PutUint64(p[8*i:], v)
	}
	return p[:reportSize]
}

// decodeReport decodes what encode wrote. ok is false if p is no report.
func decodeReport(p []byte) (r exchangeReport, ok bool) {
	if len(p) != reportSize {
		return r, false
	}
	at := func(i int) int64 { return int64(binary.LittleEndian.Uint64(p[8*i:])) }
	return exchangeReport{
		answer: answer{
			status: int(at(1)), bytesIn: at(5),
			bodyDiffers: at(6)&bodyBit != 0, headerDiffers: at(6)&headerBit != 0,
		},
		target: int(at(0)),
		sent:   time.Duration(at(2)), firstByteAt: time.Duration(at(3)), endAt: time.Duration(at(4)),
	}, true
}
