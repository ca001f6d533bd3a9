package serve

// pollServer serves one request at a time on one thread that polls its sockets
// without ever waiting. A CPU of a virtual machine that sleeps wakes late, and
// whoever sends to it pays for the waking: what is measured against such a
// server would in part be the machine's idle states.
type pollServer struct {
	// answer is called with the head of each request, and writes one answer.
	answer func(head []byte, write func([]byte))
}
