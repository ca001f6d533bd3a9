package lab

// Generator names what sends the requests of an attack and reads the answers. A run has one for all
// of its trials, and its calibration is measured by the same one.
type Generator string

const (
	// EventLoop is one thread for each generator CPU that waits for all of its connections at once.
	EventLoop Generator = "loop"
	// Vegeta is Vegeta's Attacker on the lab's transport: one goroutine for each connection.
	Vegeta Generator = "vegeta"
)

// DefaultGenerator is the generator of a run that names none.
const DefaultGenerator = EventLoop

// Generators returns all generators, in the order of messages.
func Generators() []Generator { return []Generator{EventLoop, Vegeta} }
