package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/moby/moby/api/types/jsonstream"
)

// readStream reads the JSON messages of an engine to their end. The engine
// reports what goes wrong after the first byte as a message: the first of
// those is the error returned, as is a stream that breaks off.
func readStream(r io.Reader, each func(jsonstream.Message)) error {
	var reported error
	decoder := json.NewDecoder(r)
	for {
		var message struct {
			jsonstream.Message
			Plain string `json:"error"`
		}
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			return reported
		} else if err != nil {
			return errors.Join(reported, fmt.Errorf("read the engine's messages: %w", err))
		}
		switch {
		case reported != nil:
		case message.Error != nil:
			reported = message.Error
		case message.Plain != "":
			reported = errors.New(message.Plain)
		}
		each(message.Message)
	}
}
