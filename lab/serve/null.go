package serve

// newNull returns a server that gives a constant answer as fast as one CPU can. It parses
// only the end of a request.
func newNull() *pollServer {
	return &pollServer{answer: func(_ []byte, write func([]byte)) { write(plainAnswer) }}
}
