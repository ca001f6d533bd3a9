package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/moby/moby/api/types/jsonstream"
)

// readStream reads an engine's JSON messages to their end and calls each for every one. The engine
// reports a failure after the first byte as a message. readStream returns the first such failure,
// or an error if the stream breaks off.
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
