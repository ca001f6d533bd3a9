package serve

// pollServer serves one request at a time on one thread that polls its sockets without
// sleeping. In a virtual machine a sleeping CPU wakes up slowly, and the sender pays for
// it: measurements against a sleeping server would include the machine's idle states.
type pollServer struct {
	// answer is called with the head of each request, and writes one answer.
	answer func(head []byte, write func([]byte))
}
